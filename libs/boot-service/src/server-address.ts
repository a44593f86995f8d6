import {
  PurlinError,
  parseAddress,
  parseCidr,
  type Run,
  rangeHolds,
  toPurlinError,
} from '@purlin/base'

const IP_DEADLINE_MS = 5_000

/** The server's address: the first IPv4 address that the interface has in the subnet. The kernel is
 *  asked by ip(8), because a runtime's own listing leaves out interfaces without a carrier, such as
 *  a bridge whose machines are all off. Errors: PUR_BOOT_INTERFACE with what the interface has. */
export async function serverAddressOf(device: string, cidr: string, run: Run): Promise<string> {
  const subnet = parseCidr(cidr)
  const addresses = await addressesOf(device, cidr, run)
  const found = addresses.find((text) => {
    const address = parseAddress(text)
    return subnet !== undefined && address !== undefined && rangeHolds(subnet, address)
  })
  if (found !== undefined) return found
  throw unfit(
    device,
    cidr,
    addresses.length === 0 ? 'it has none' : `it has ${addresses.join(', ')}`,
  )
}

async function addressesOf(device: string, cidr: string, run: Run): Promise<readonly string[]> {
  const args = ['-json', '-4', 'address', 'show', 'dev', device]
  const { stdout } = await run('ip', args, { timeoutMs: IP_DEADLINE_MS }).catch((thrown) => {
    throw unfit(device, cidr, toPurlinError(thrown).message, thrown)
  })
  return readAddresses(stdout)
}

/** The addresses in the output of `ip -json -4 address show`. Pure. */
function readAddresses(text: string): readonly string[] {
  const links: readonly { readonly addr_info?: readonly { readonly local?: string }[] }[] =
    text.trim() === '' ? [] : JSON.parse(text)
  return links.flatMap(({ addr_info: all = [] }) => all.flatMap(({ local }) => local ?? []))
}

function unfit(device: string, cidr: string, found: string, cause?: unknown): PurlinError {
  return new PurlinError('PUR_BOOT_INTERFACE', {
    message: `serve on ${device}: no address of ${cidr}: ${found}; give it one, such as by \`ip address add\``,
    context: { interface: device, cidr },
    ...(cause !== undefined && { cause }),
  })
}
