import type { Clock } from '@purlin/base'
import type { LoggedFlow } from '@purlin/netfilter'
import type { NewEvent } from '@purlin/schema'

/** Each rule logs at most ten flows a second; all of them together are bounded here. */
const EVENTS_A_SECOND = 50
const SECOND_MS = 1_000

/** Turns flows that rules with `log` have decided into events, at most so many a second; of the
 *  rest it says how many they were, once the next second brings another. */
export function flowEvents(
  clock: Clock,
  tell: (event: NewEvent) => void,
): (flow: LoggedFlow) => void {
  let secondStartedMs = clock.monotonicMs()
  let told = 0
  let omitted = 0
  return (flow) => {
    const nowMs = clock.monotonicMs()
    if (nowMs - secondStartedMs >= SECOND_MS) {
      if (omitted > 0) tell(omission(omitted))
      secondStartedMs = nowMs
      told = 0
      omitted = 0
    }
    if (told >= EVENTS_A_SECOND) {
      omitted++
      return
    }
    told++
    tell(eventOf(flow))
  }
}

function eventOf({ port, rule, verdict, sentence }: LoggedFlow): NewEvent {
  const [group = ''] = rule.split('/')
  const machine = port?.slice(0, port.indexOf('.'))
  return {
    type: verdict === 'allow' ? 'flow.allowed' : 'flow.denied',
    severity: 'notice',
    subject:
      machine === undefined
        ? { kind: 'SecurityGroup', name: group }
        : { kind: 'VirtualMachine', name: machine },
    message: sentence,
  }
}

function omission(count: number): NewEvent {
  return {
    type: 'flow.omitted',
    severity: 'notice',
    subject: { kind: 'Lane', name: 'netfilter' },
    message: `${count} more logged flows in one second than are written down`,
  }
}
