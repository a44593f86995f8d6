import { doctorCheck, type Opinion } from './check.ts'

export interface PrivilegesReading {
  readonly userId: number | undefined
  /** The effective capabilities, a bit each (capabilities(7)). */
  readonly effective: bigint | undefined
}

/** What the agent cannot do without, with the bit of each (linux/capability.h). */
const NEEDED = { CAP_NET_ADMIN: 12n, CAP_NET_RAW: 13n, CAP_SYS_ADMIN: 21n } as const

/** Whether this process may do what the agent does. */
export const privileges = doctorCheck<PrivilegesReading>({
  name: 'privileges',
  read: async (host) => {
    const status = (await host.readFile('/proc/self/status')) ?? ''
    const userId = /^Uid:\s+\d+\s+(\d+)/m.exec(status)?.[1]
    const effective = /^CapEff:\s+([0-9a-f]+)$/m.exec(status)?.[1]
    return {
      userId: userId === undefined ? undefined : Number(userId),
      effective: effective === undefined ? undefined : BigInt(`0x${effective}`),
    }
  },
  judge: (reading) => [judgePrivileges(reading)],
})

/** Root in a container may lack what the agent needs, so capabilities decide and not the user.
 *  Pure. */
export function judgePrivileges({ userId, effective }: PrivilegesReading): Opinion {
  if (effective === undefined) return { status: 'unknown', found: 'capabilities cannot be read' }
  const user = userId === 0 ? 'root' : `user ${userId ?? 'unknown'}`
  const lacking = Object.entries(NEEDED)
    .filter(([, bit]) => ((effective >> bit) & 1n) === 0n)
    .map(([name]) => name)
  if (lacking.length === 0) return { status: 'ok', found: `${user}, with what the agent needs` }
  return {
    status: 'problem',
    found: `${user} without ${lacking.join(', ')}`,
    advice:
      userId === 0
        ? 'This root is confined, say by a container; run on the host or give it these capabilities.'
        : 'Run as root, or with sudo.',
  }
}
