import { PurlinError } from '@purlin/base'

/** An interface as the guest itself sees it. */
export interface GuestInterface {
  readonly name: string
  /** Absent for interfaces without one, such as tunnels. */
  readonly mac?: string
  readonly addresses: readonly {
    readonly family: 'ipv4' | 'ipv6'
    readonly address: string
    readonly prefixLength: number
  }[]
}

export interface ExecStatus {
  readonly exitCode?: number
  readonly signal?: number
  /** Base 64. */
  readonly output: string
  readonly errors: string
  readonly truncated: boolean
}

/** The `return` of an answer of the guest agent.
 *  Errors: PUR_VIRT_AGENT_UNRESPONSIVE for an answer that is none, PUR_VIRT_FAILED for a refusal.
 *  Source: QEMU guest agent protocol reference. */
export function readReturn(answer: string, what: string): unknown {
  const parsed = parseJson(answer)
  if (typeof parsed === 'object' && parsed !== null && 'return' in parsed) return parsed.return
  if (typeof parsed === 'object' && parsed !== null && 'error' in parsed) {
    const { desc } = Object(parsed.error) as { desc?: unknown }
    throw new PurlinError('PUR_VIRT_FAILED', {
      message: `${what}: the guest agent refused: ${String(desc ?? 'no reason given')}`,
    })
  }
  throw new PurlinError('PUR_VIRT_AGENT_UNRESPONSIVE', {
    message: `${what}: the guest agent answered with something else than its protocol; restart it in the guest`,
  })
}

/** The end of a program in the guest; undefined while it runs. */
export function readExecStatus(value: unknown): ExecStatus | undefined {
  const status = Object(value) as Record<string, unknown>
  if (status.exited !== true) return undefined
  return {
    ...(typeof status.exitcode === 'number' && { exitCode: status.exitcode }),
    ...(typeof status.signal === 'number' && { signal: status.signal }),
    output: typeof status['out-data'] === 'string' ? status['out-data'] : '',
    errors: typeof status['err-data'] === 'string' ? status['err-data'] : '',
    truncated: status['out-truncated'] === true || status['err-truncated'] === true,
  }
}

/** Interfaces of `guest-network-get-interfaces`. */
export function readInterfaces(value: unknown): readonly GuestInterface[] {
  const rows = Array.isArray(value) ? value : []
  return rows.map((row: unknown) => {
    const fields = Object(row) as Record<string, unknown>
    const mac = fields['hardware-address']
    const addresses = Array.isArray(fields['ip-addresses']) ? fields['ip-addresses'] : []
    return {
      name: String(fields.name ?? ''),
      ...(typeof mac === 'string' && { mac: mac.toLowerCase() }),
      addresses: addresses.map((entry: unknown) => {
        const address = Object(entry) as Record<string, unknown>
        return {
          family: address['ip-address-type'] === 'ipv6' ? ('ipv6' as const) : ('ipv4' as const),
          address: String(address['ip-address'] ?? ''),
          prefixLength: Number(address.prefix ?? 0),
        }
      }),
    }
  })
}

/** Base 64 of UTF-8 text. */
export function decodeBase64(text: string): string {
  return Buffer.from(text, 'base64').toString('utf8')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
