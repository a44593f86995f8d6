import type { Life } from './life.ts'

/** What a node boots by its life: the discovery system or an installer with a new token, its own
 *  disk, or nothing. */
export type BootPlan =
  | { readonly boot: 'discovery' }
  | { readonly boot: 'installer' }
  | { readonly boot: 'disk' }
  | { readonly boot: 'nothing'; readonly reason: string }

/** Computed at each request from the life alone: neither what the BMC was told nor what was served
 *  before counts, so no node is installed a second time because it starts a second time. Pure. */
export function bootPlan(life: Life): BootPlan {
  switch (life.state) {
    case 'discovering':
    case 'erasing':
    case 'rescuing':
    case 'rescue':
      return { boot: 'discovery' }
    case 'booting':
      return { boot: life.deployment?.prepared?.path === 'install' ? 'installer' : 'discovery' }
    // The post step is the last of an installation: whether its end was told or not, the disk is
    // what comes next, and the system there will tell.
    case 'configuring':
    case 'rebooting':
    case 'active':
      return { boot: 'disk' }
    case 'leaving':
      if (life.before?.state === 'active') return { boot: 'disk' }
      return nothing(life, 'is being switched off')
    case 'installing':
    case 'partitioning':
    case 'writing':
    case 'bootloader':
      return nothing(
        life,
        `started again in the middle of ${life.state}; it is not installed twice`,
      )
    case 'failed':
      // The system on the disk was complete and only did not tell that it runs.
      if (life.failure?.step === 'rebooting') return { boot: 'disk' }
      return nothing(life, `has failed in ${life.failure?.step}: ${life.failure?.cause}`)
    default:
      return nothing(life, `has nothing to boot in state ${life.state}`)
  }
}

function nothing(life: Life, why: string): BootPlan {
  return { boot: 'nothing', reason: `chassis ${life.chassis} ${why}` }
}
