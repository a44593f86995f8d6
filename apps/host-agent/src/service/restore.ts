import { access } from 'node:fs/promises'
import type { Run } from '@purlin/base'
import { NFT_PROGRAM } from '@purlin/netfilter'
import type { Configuration } from '../config/config.ts'

const LOAD_DEADLINE_MS = 30_000
const TABLES = ['table bridge purlin', 'table inet purlin']

/** Where the last rule set in force is kept for the next boot. */
export function restoreFileOf(configuration: Configuration): string {
  return `${configuration.state.folder}/restore.nft`
}

/** Puts the last rule set in force back into the kernel, before any machine starts: what
 *  `purlin-restore.service` runs at boot. Rules that stand already are left alone: loading the file
 *  over them could drop a packet on the way. Answers what was done, for people.
 *  Errors: PUR_EXEC_FAILED (the kernel refused it). */
export async function restoreRules(configuration: Configuration, run: Run): Promise<string> {
  const file = restoreFileOf(configuration)
  const there = await access(file).then(
    () => true,
    () => false,
  )
  if (!there) return 'nothing to restore'
  const tables = await run(NFT_PROGRAM, ['list', 'tables'], { timeoutMs: LOAD_DEADLINE_MS })
  if (TABLES.every((table) => tables.stdout.split('\n').includes(table))) {
    return 'rules are in force already'
  }
  await run(NFT_PROGRAM, ['-f', file], { timeoutMs: LOAD_DEADLINE_MS })
  return 'rules restored'
}
