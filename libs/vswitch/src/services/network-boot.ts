import type { NetworkBoot } from '@purlin/schema'

/** A DHCP option that iPXE alone sends (its own encapsulated options). */
const IPXE_OPTION = 175

/** Processor architectures of firmware, RFC 4578 and IANA's registry. */
const architectures = {
  bios: [0],
  uefi: [7, 9],
  uefiArm64: [11],
  uefiHttp: [16],
} as const

const FIRMWARE = ['bios', 'uefi', 'uefiArm64', 'uefiHttp'] as const

/** dnsmasq's lines for machines that start from the network: a tag for each firmware, by what the
 *  request itself says, and a file for each tag. The tags are of requests; a reservation never
 *  carries one, because dnsmasq 2.90 dies on SIGHUP once a tagged reservation has served a lease.
 *  Source: dnsmasq(8), dhcp-match and dhcp-boot. */
export function networkBootLines(
  boot: NetworkBoot | undefined,
  families: ReadonlySet<string | undefined>,
): readonly string[] {
  if (boot === undefined) return []
  const server = boot.nextServer === undefined ? '' : `,,${boot.nextServer}`
  const four = FIRMWARE.flatMap((firmware): string[] => {
    const file = boot[firmware]
    if (file === undefined) return []
    const tag = `firmware-${firmware}`
    return [
      ...architectures[firmware].map((code) => `dhcp-match=set:${tag},option:client-arch,${code}`),
      `dhcp-boot=tag:${tag},tag:!ipxe,${file}${server}`,
      // Such firmware takes an answer only from a server that names itself so.
      ...(firmware === 'uefiHttp' ? [`dhcp-option-force=tag:${tag},60,HTTPClient`] : []),
    ]
  })
  return [
    ...(families.has('ipv4')
      ? [
          `dhcp-match=set:ipxe,${IPXE_OPTION}`,
          ...four,
          ...(boot.ipxe === undefined ? [] : [`dhcp-boot=tag:ipxe,${boot.ipxe}${server}`]),
        ]
      : []),
    ...(families.has('ipv6') && boot.ipv6 !== undefined
      ? [`dhcp-option=option6:bootfile-url,${boot.ipv6}`]
      : []),
  ]
}
