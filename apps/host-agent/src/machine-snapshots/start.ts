import type { Configuration } from '../config/config.ts'
import { type KeeperGrounds, MachineSnapshotKeeper } from './keeper.ts'
import { memoryFiles, memoryFolderOf } from './memory-files.ts'

/** Begins to keep this host's snapshots of machines, with their memory beside the agent's state. */
export function keepSnapshots(
  configuration: Configuration,
  grounds: Omit<KeeperGrounds, 'memory' | 'memoryFolder'>,
): MachineSnapshotKeeper {
  const memoryFolder = memoryFolderOf(configuration)
  const memory = memoryFiles(memoryFolder, grounds.store)
  return new MachineSnapshotKeeper({ ...grounds, memory, memoryFolder })
}
