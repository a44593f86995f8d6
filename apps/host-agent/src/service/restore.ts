import { access } from 'node:fs/promises'
import type { Run } from '@purlin/base'
import { NFT_PROGRAM } from '@purlin/netfilter'
import type { Configuration } from '../config/config.ts'

const LOAD_DEADLINE_MS = 30_000

/** Where the last rule set in force is kept for the next boot. */
export function restoreFileOf(configuration: Configuration): string {
  return `${configuration.state.folder}/restore.nft`
}

/** Puts the last rule set in force back into the kernel, before any machine starts: what
 *  `purlin-restore.service` runs at boot. A host that never enforced anything has nothing to
 *  restore. Answers whether something was loaded. Errors: PUR_EXEC_FAILED (the kernel refused
 *  it). */
export async function restoreRules(configuration: Configuration, run: Run): Promise<boolean> {
  const file = restoreFileOf(configuration)
  const there = await access(file).then(
    () => true,
    () => false,
  )
  if (there) await run(NFT_PROGRAM, ['-f', file], { timeoutMs: LOAD_DEADLINE_MS })
  return there
}
