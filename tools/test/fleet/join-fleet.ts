import { PurlinError, systemClock } from '@purlin/base'
import type { FleetHost } from './host.ts'
import type { FleetRig } from './rig.ts'

const LIMIT_MS = 30_000
const POLL_MS = 50

/** Makes one fleet of the hosts of a rig that are alone, as people do: an authority on the first,
 *  an etcd with its certificates, the first one's state moved there, and a token for each other. */
export async function joinFleet(rig: FleetRig): Promise<void> {
  const [first, ...others] = rig.hosts
  if (first === undefined) throw new RangeError('the rig has no host')
  const listenOf = ({ address }: FleetHost): string => `${address}:7443`
  await first.client.fleet.init({ name: 'test', listen: listenOf(first) })
  const order = { name: 'etcd', addresses: ['10.90.0.254'] }
  const certificate = await untilAnswered(() => first.client.fleet.certificate(order))
  const { ca, ...server } = certificate
  const endpoints = [...(await rig.startEtcd(server, ca))]
  await first.client.fleet.moveStore({ endpoints })
  await untilJoined(first)
  for (const host of others) {
    const { token } = await first.client.fleet.token({ host: host.name })
    const at = { server: `https://${listenOf(first)}`, token, listen: listenOf(host) }
    await host.client.fleet.join(at)
    await untilJoined(host)
  }
}

async function untilJoined({ client }: FleetHost): Promise<void> {
  await untilAnswered(async () => {
    const { store } = await client.health({ attempts: 1 })
    if (store?.engine !== 'etcd') throw new Error(`the store is ${store?.engine}`)
  })
}

/** Asks until it is answered: an agent starts itself anew after each step. */
async function untilAnswered<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  const limitMs = systemClock.monotonicMs() + LIMIT_MS
  for (;;) {
    try {
      return await ask()
    } catch (cause) {
      if (systemClock.monotonicMs() > limitMs) {
        const found = cause instanceof Error ? cause.message : String(cause)
        const message = `the fleet was not made within ${LIMIT_MS} ms: ${found}`
        throw new PurlinError('PUR_DEADLINE_PASSED', { message, cause })
      }
    }
    await systemClock.sleep(POLL_MS)
  }
}
