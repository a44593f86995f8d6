import { networkInterfaces } from 'node:os'
import { PurlinError, type Run } from '@purlin/base'

const ASK_DEADLINE_MS = 5_000

/** Ports at which members of etcd on this host are reached, by the endpoints of the fleet. Pure but
 *  for the host's addresses, which a caller may give. */
export function memberPorts(
  endpoints: readonly string[],
  own: ReadonlySet<string> = addressesHere(),
): readonly number[] {
  const ports = endpoints
    .map((endpoint) => new URL(endpoint))
    .flatMap((url) => {
      const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
      const isHere = own.has(host) || host === 'localhost'
      return isHere ? [Number(url.port === '' ? 443 : url.port)] : []
    })
  return [...new Set(ports)]
}

/** Ends every connection to members of etcd on this host, so that each client proves itself anew
 *  and who was revoked is refused. Clients of the fleet go on with a new connection by themselves.
 *  Answers how many there were. Errors: PUR_FLEET_CERTIFICATE where the kernel leaves some standing
 *  (CONFIG_INET_DIAG_DESTROY), PUR_EXEC_NOT_FOUND without ss. */
export async function hangUp(
  run: Run,
  ports: readonly number[],
  signal: AbortSignal,
): Promise<number> {
  if (ports.length === 0) return 0
  const filter = ports.flatMap((port, index) => [
    ...(index === 0 ? [] : ['or']),
    'sport',
    '=',
    `:${port}`,
  ])
  const ask = async (...options: readonly string[]): Promise<ReadonlySet<string>> => {
    const words = ['--tcp', '--numeric', '--no-header', ...options, 'state', 'connected', ...filter]
    const { stdout } = await run('ss', words, { timeoutMs: ASK_DEADLINE_MS, signal })
    return new Set(stdout.split('\n').flatMap(endsOf))
  }
  const before = await ask()
  await ask('--kill')
  const after = await ask()
  const left = [...before].filter((one) => after.has(one))
  if (left.length === 0) return before.size
  throw new PurlinError('PUR_FLEET_CERTIFICATE', {
    message: `end the connections to etcd that stand: ${left.length} of ${before.size} still do, such as ${left[0]}; this kernel cannot end them (CONFIG_INET_DIAG_DESTROY), so restart the member of etcd here, or who was revoked may go on with one`,
  })
}

/** Both ends of the connection in a line of ss, unless it is over. */
function endsOf(line: string): readonly string[] {
  const [state = '', , , near, far] = line.trim().split(/\s+/)
  return far === undefined || /^(?:TIME-WAIT|CLOSE)/.test(state) ? [] : [`${near} ${far}`]
}

function addressesHere(): ReadonlySet<string> {
  const devices = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
  return new Set(devices.map(({ address }) => address))
}
