import type { VswitchStep } from './step.ts'

/** Whether `later` makes sense although `failed` of the same plan has failed. One port or
 *  service that cannot be made leaves the others to be made; what stands on a switch waits for
 *  the switch; a port that is still plugged elsewhere is not plugged again; a switch is removed
 *  once all of its ports are. Pure. */
export function independent(failed: VswitchStep, later: VswitchStep): boolean {
  switch (failed.kind) {
    case 'make-switch':
      return switchOf(later) !== failed.switch.name
    case 'note-uplinks':
      return switchOf(later) !== failed.switch
    case 'unplug':
      if (later.kind === 'remove-switch') return false
      return later.kind !== 'plug' || later.port.port !== failed.port
    case 'withdraw':
      return later.kind !== 'remove-switch'
    case 'remove-switch':
    case 'plug':
    case 'serve':
    case 'reserve':
    case 'mirror':
    case 'commit-flows':
    case 'route':
    case 'unroute':
    case 'set-kernel':
      return true
  }
}

function switchOf(step: VswitchStep): string | undefined {
  if (step.kind === 'plug') return step.port.switch
  if (step.kind === 'serve') return step.service.switch
  if (step.kind === 'mirror') return step.switch
  if (step.kind === 'route') return step.router.external?.switch
  return step.kind === 'make-switch' ? step.switch.name : undefined
}
