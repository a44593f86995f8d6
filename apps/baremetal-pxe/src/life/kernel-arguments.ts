import type { Prepared } from './life.ts'

type Installer = Pick<
  Extract<Prepared, { readonly path: 'install' }>,
  'target' | 'answer' | 'tree' | 'stage' | 'hostname'
>

/** Where one boot of a node reaches this server. */
export interface BootReach {
  /** `http://SERVER:PORT/node/TOKEN` */
  readonly nodeUrl: string
  /** `http://SERVER:PORT` */
  readonly serverUrl: string
  readonly bootMac: string
  /** `console=` of the serial line, and others. */
  readonly consoles: readonly string[]
}

/** Arguments of an installer's kernel: where its answers and its media are, that nobody is asked,
 *  and which NIC it booted from. Each is one word; iPXE and the kernel leave a `;` inside a word
 *  alone (a boot loader's menu file would not). Sources: installation guide of Debian, B.2; kernel
 *  options of Anaconda; casper(7) and autoinstall of Ubuntu; linuxrc of SUSE; Agama’s boot options.
 *  Pure. */
export function installerArguments(installer: Installer, reach: BootReach): readonly string[] {
  return [
    ...familyArguments(installer, reach),
    bootInterface(reach.bootMac),
    ...reach.consoles.map((each) => `console=${each}`),
  ]
}

/** Arguments of the discovery system, with the time: a machine whose clock is another could not
 *  judge our certificate. Pure. */
export function discoveryArguments(reach: BootReach, nowMs: number): readonly string[] {
  return [
    `purlin.url=${reach.nodeUrl}`,
    `purlin.time=${Math.floor(nowMs / 1_000)}`,
    bootInterface(reach.bootMac),
    ...reach.consoles.map((each) => `console=${each}`),
    'quiet',
  ]
}

function familyArguments(installer: Installer, reach: BootReach): readonly string[] {
  const answer = `${reach.nodeUrl}/file/${installer.answer}`
  const tree = `${reach.serverUrl}${installer.tree}`
  const stage = `${reach.serverUrl}${installer.stage ?? installer.tree}`
  const [host = installer.hostname, ...domain] = installer.hostname.split('.')
  switch (installer.target) {
    case 'debian-12':
    case 'debian-13':
      // What is asked before the network is up can only be answered here.
      return [
        'auto=true',
        'priority=critical',
        'interface=auto',
        'netcfg/link_wait_timeout=15',
        'netcfg/dhcp_timeout=60',
        'netcfg/no_default_route=true',
        `hostname=${host}`,
        `domain=${domain.join('.')}`,
        `url=${answer}`,
        'DEBIAN_FRONTEND=text',
      ]
    case 'rhel-9':
    case 'rhel-10':
      return [`inst.ks=${answer}`, `inst.repo=${tree}`, 'inst.text', 'ip=dhcp', 'rd.neednet=1']
    case 'ubuntu-22.04':
    case 'ubuntu-24.04':
      // Without the last, cloud-init would take the address of the ISO for its own configuration.
      return [
        'autoinstall',
        'ip=dhcp',
        `url=${stage}`,
        `ds=nocloud;s=${reach.nodeUrl}/file/`,
        'cloud-config-url=/dev/null',
      ]
    case 'sles-15':
      return [`install=${tree}`, `autoyast=${answer}`, 'ifcfg=*=dhcp', 'textmode=1']
    case 'sles-16':
      return [
        `root=live:${stage}`,
        `inst.install_url=${tree}`,
        `inst.auto=${answer}`,
        'ip=dhcp',
        'rd.neednet=1',
      ]
  }
}

/** As PXELINUX hands it on; installers and the discovery system know it. */
function bootInterface(mac: string): string {
  return `BOOTIF=01-${mac.replaceAll(':', '-')}`
}
