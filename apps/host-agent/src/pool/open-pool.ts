import { join } from 'node:path'
import { FrameHistory } from '@purlin/service'
import { ResourcePool, type ResourcePoolOptions } from './resource-pool.ts'

/** The kernel's names of what Node calls otherwise. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' }

/** Begins to measure this host, with the day that is kept in its state folder. Errors: those of the
 *  file system. */
export async function openPool(
  options: Omit<ResourcePoolOptions, 'history' | 'architecture'> & { readonly stateFolder: string },
): Promise<ResourcePool> {
  const { history } = await FrameHistory.open(join(options.stateFolder, 'pool-history'))
  const architecture = ARCHITECTURES[process.arch] ?? process.arch
  return ResourcePool.begin({ ...options, history, architecture })
}
