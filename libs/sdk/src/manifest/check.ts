import type { Problem } from '@purlin/base'
import { checkManifest, type Manifest } from '@purlin/schema'

/** Stands for whatever the agent may hold under a name; it names nothing else itself. */
const anything: Manifest<'DistributedSwitch'> = {
  kind: 'DistributedSwitch',
  name: 'any',
  spec: { mtu: 1500, transport: 'vlan', uplinks: [], bonds: [], hosts: [], confirmSeconds: 0 },
}

/** Every problem of a manifest that is certain without an agent: each document against the schema
 *  of its kind, names unique, no cycle of volumes and snapshots. A name that no document of the
 *  manifest carries may be one the agent knows, so it is no problem here. Pure. */
export function checkDocuments(documents: readonly unknown[]): readonly Problem[] {
  return checkManifest(documents, () => anything).problems
}
