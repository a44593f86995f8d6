import { createVirtualClock } from '@purlin/base'
import type { LoggedFlow } from '@purlin/netfilter'
import type { NewEvent } from '@purlin/schema'
import test from 'ava'
import { flowEvents } from './flow-events.ts'

const flow: LoggedFlow = {
  port: 'web-1.eth0',
  direction: 'inbound',
  rule: 'web/inbound/0',
  verdict: 'deny',
  packet: undefined,
  atMs: 0,
  sentence: 'web-1/eth0 inbound: tcp 10.9.0.12:5 -> 10.9.0.11:22: deny by web/inbound/0',
}

test('a logged flow is an event of the machine that says NIC, rule, verdict and ends', (t) => {
  const told: NewEvent[] = []
  flowEvents(createVirtualClock(), (event) => told.push(event))(flow)
  t.deepEqual(told, [
    {
      type: 'flow.denied',
      severity: 'notice',
      subject: { kind: 'VirtualMachine', name: 'web-1' },
      message: flow.sentence,
    },
  ])
})

test('at most fifty a second are told, and then how many more there were', async (t) => {
  const clock = createVirtualClock()
  const told: NewEvent[] = []
  const hear = flowEvents(clock, (event) => told.push(event))
  for (let count = 0; count < 60; count++) hear(flow)
  t.is(told.length, 50)
  await clock.advance(1_000)
  hear(flow)
  t.is(told.length, 52)
  t.is(told[50]?.message, '10 more logged flows in one second than are written down')
})
