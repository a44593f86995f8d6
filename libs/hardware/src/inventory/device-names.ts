import type { HostTree } from './host-tree.ts'

/** Debian and Fedora have the list of names at different places. */
const LISTS = ['/usr/share/misc/pci.ids', '/usr/share/hwdata/pci.ids']

/** Names of a PCI device; undefined where the list does not know it. */
export interface DeviceName {
  readonly vendor: string | undefined
  readonly model: string | undefined
}

/** Looks names up in pci.ids, the list that lspci uses. What was found is kept, so that a host
 *  without new devices reads it once. */
export class DeviceNames {
  readonly #tree: HostTree
  readonly #known = new Map<string, DeviceName>()

  constructor(tree: HostTree) {
    this.#tree = tree
  }

  /** Names by `VENDOR:DEVICE`, four hexadecimal digits each. */
  async of(identities: readonly string[]): Promise<ReadonlyMap<string, DeviceName>> {
    const missing = new Set(identities.filter((identity) => !this.#known.has(identity)))
    if (missing.size > 0) {
      const list = await this.#list()
      for (const [identity, name] of namesIn(list, missing)) this.#known.set(identity, name)
    }
    return this.#known
  }

  async #list(): Promise<string> {
    for (const path of LISTS) {
      const text = await this.#tree.text(path)
      if (text !== undefined) return text
    }
    return ''
  }
}

/** Lines of the list: `8086  Intel Corporation`, below it `\t1572  Ethernet Controller X710`. */
function namesIn(list: string, wanted: ReadonlySet<string>): ReadonlyMap<string, DeviceName> {
  const found = new Map<string, DeviceName>(
    [...wanted].map((identity) => [identity, { vendor: undefined, model: undefined }]),
  )
  const vendors = new Set([...wanted].map((identity) => identity.slice(0, 4)))
  let vendor = ''
  let vendorName = ''
  for (const line of list.split('\n')) {
    if (/^[0-9a-f]{4} {2}/.test(line)) {
      vendor = line.slice(0, 4)
      vendorName = line.slice(6).trim()
      if (!vendors.has(vendor)) continue
      for (const identity of wanted) {
        if (!identity.startsWith(vendor)) continue
        found.set(identity, { vendor: vendorName, model: undefined })
      }
    } else if (vendors.has(vendor) && /^\t[0-9a-f]{4} {2}/.test(line)) {
      const identity = `${vendor}:${line.slice(1, 5)}`
      if (wanted.has(identity)) {
        found.set(identity, { vendor: vendorName, model: line.slice(7).trim() })
      }
    } else if (/^C [0-9a-f]{2} {2}/.test(line)) break
  }
  return found
}
