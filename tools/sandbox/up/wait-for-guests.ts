import { PurlinError, systemClock } from '@purlin/base'
import type { Client } from '@purlin/sdk'
import type { Endpoint } from './endpoint.ts'

const GUEST_TIMEOUT_MS = 120_000
const EXEC_TIMEOUT_MS = 10_000
const POLL_MS = 150

/** Waits until each guest's agent answers and its NIC has every address it was given; calls
 *  `onReady` with the name of each. Errors: PUR_DEADLINE_PASSED saying what is missing. */
export async function waitForGuests(
  client: Client,
  guests: readonly Endpoint[],
  onReady: (name: string) => void,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(
    guests.map(async (guest) => {
      await waitForGuest(client, guest, signal)
      onReady(guest.name)
    }),
  )
}

async function waitForGuest(client: Client, guest: Endpoint, signal: AbortSignal): Promise<void> {
  const machine = guest.port?.spec.virtualMachine ?? guest.name
  const wanted = [guest.ipv4, guest.ipv6].filter((address) => address !== undefined)
  const limit = systemClock.monotonicMs() + GUEST_TIMEOUT_MS
  let found = 'its guest agent does not answer'
  while (systemClock.monotonicMs() < limit) {
    signal.throwIfAborted()
    try {
      const options = { attempts: 1, timeoutMs: EXEC_TIMEOUT_MS, signal }
      const { stdout } = await client.virtualMachines.exec(machine, ADDRESSES, options)
      const held = new Set([...stdout.matchAll(/inet6? ([0-9a-f.:]+)\//g)].map(([, one]) => one))
      const absent = wanted.filter((address) => !held.has(address))
      if (absent.length === 0) return
      found = `it has no address ${absent.join(', ')}`
    } catch (thrown) {
      if (!(thrown instanceof PurlinError) || signal.aborted) throw thrown
      found = thrown.message
    }
    await systemClock.sleep(POLL_MS, signal)
  }
  throw new PurlinError('PUR_DEADLINE_PASSED', {
    message: `machine ${machine} was not ready after ${GUEST_TIMEOUT_MS / 1000} s: ${found}`,
  })
}

const ADDRESSES = ['/bin/busybox', 'ip', '-o', 'address']
