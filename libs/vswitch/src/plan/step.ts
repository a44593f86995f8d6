import type { LaneStep } from '@purlin/base'
import type { PortDevices } from '@purlin/schema'
import type { PortDesired, SwitchDesired } from '../desired.ts'
import type { Pipeline } from '../flows/flow.ts'
import type { KernelStep } from '../inside/set-kernel.ts'
import type { RouterStep } from '../router/steps.ts'
import type { ServiceDesired } from '../services/service.ts'
import type { RecordNote } from '../uplinks/plan-trials.ts'
import type { MirrorWanted } from './mirror.ts'

/** What the switch lane does. Each step makes or mends the whole of its thing, so a step that
 *  was cut short is planned again and finishes. */
export type VswitchStep =
  | RouterStep
  | KernelStep
  | (LaneStep &
      (
        | {
            readonly kind: 'make-switch'
            readonly switch: SwitchDesired
            readonly datapathType: 'system' | 'netdev'
            /** Whether it has direct ports here. */
            readonly direct: boolean
          }
        | ({ readonly kind: 'note-uplinks' } & RecordNote)
        | { readonly kind: 'commit-flows'; readonly pipeline: Pipeline }
        | {
            readonly kind: 'mirror'
            readonly switch: string
            readonly mirrors: readonly MirrorWanted[]
          }
        | { readonly kind: 'remove-switch'; readonly switch: string }
        | { readonly kind: 'plug'; readonly port: PortDesired }
        | { readonly kind: 'unplug'; readonly port: string; readonly devices: PortDevices }
        | { readonly kind: 'serve'; readonly service: ServiceDesired }
        | { readonly kind: 'reserve'; readonly service: ServiceDesired }
        | { readonly kind: 'withdraw'; readonly portGroup: string }
      ))

/** Deadline of a step of each kind. */
export const deadlineMsOf: Readonly<
  Record<Exclude<VswitchStep['kind'], (RouterStep | KernelStep)['kind']>, number>
> = {
  'make-switch': 15_000,
  'remove-switch': 15_000,
  'note-uplinks': 10_000,
  'commit-flows': 30_000,
  mirror: 15_000,
  plug: 15_000,
  unplug: 15_000,
  serve: 20_000,
  reserve: 10_000,
  withdraw: 15_000,
}
