import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError } from '@purlin/base'
import { type AdmissionAnswer, admissionAnswer, authorityAnswer } from '@purlin/schema'
import { writeWhole } from '@purlin/service'
import { createRequest, MOVING, openEtcdStore } from '@purlin/store'
import type { EtcdConfiguration } from '../config/config.ts'
import { parseJoinToken } from './join-token.ts'
import { membershipFiles, writeMembership } from './membership.ts'
import type { FleetGrounds } from './operations.ts'
import { ownAddresses } from './own-addresses.ts'
import { callPeer, certificateHash } from './peer-call.ts'

interface JoinOrder {
  readonly server: string
  readonly token: string
  readonly listen: string
  readonly discard: boolean
}

/** Makes this host join a fleet: the key is made here and stays here, the other host signs for it.
 *  Nothing counts before the store has answered to the new certificate. Errors: PUR_FLEET_STATE,
 *  PUR_HOST_OCCUPIED, PUR_FLEET_TOKEN, PUR_HOST_NAME_TAKEN, PUR_AGENT_UNREACHABLE,
 *  PUR_STORE_UNREACHABLE. */
export async function joinFleet(grounds: FleetGrounds, order: JoinOrder) {
  const { configuration, version, run } = grounds
  const { name: host } = configuration.host
  assertFree(grounds, order)
  const { server, token, listen } = order
  const { authorityHash } = parseJoinToken(token)
  const ca = await authorityAt(server, authorityHash)
  const { key, request } = await createRequest(host, run)
  const body = { token, name: host, request, listen, addresses: ownAddresses(), version }
  const answer = await callPeer({ server, method: 'POST', path: '/v1/fleet/hosts', body, ca })
  const admitted = admissionAnswer.parse(answer)
  await tryStore(admitted, key)
  const { folder } = configuration.state
  const store = await storeOf(admitted, folder)
  const { fleet, certificate } = admitted
  await writeMembership(folder, { fleet, host, listen, ca, certificate, key, store })
  grounds.startAgain(`joined the fleet ${fleet}`)
  return { fleet, host, fingerprint: authorityHash }
}

function assertFree({ membership, storeEngine, catalogue }: FleetGrounds, order: JoinOrder): void {
  if (membership !== undefined || storeEngine === 'etcd') {
    const which = membership === undefined ? 'a fleet' : `the fleet ${membership.fleet}`
    const message = `this host is in ${which} already`
    throw new PurlinError('PUR_FLEET_STATE', { message })
  }
  const own = catalogue.current().all().length
  if (own === 0 || order.discard) return
  const message = `this host has ${own} resources of its own, which the fleet does not know: back them up and delete them, or join with --discard and leave them behind`
  throw new PurlinError('PUR_HOST_OCCUPIED', { message, context: { resources: own } })
}

/** The authority's certificate, believed because the token says its hash. */
async function authorityAt(server: string, wanted: string): Promise<string> {
  const answer = await callPeer({ server, method: 'GET', path: '/v1/fleet/authority' })
  const { ca } = authorityAnswer.parse(answer)
  if (certificateHash(ca) === wanted) return ca
  const message = `${server} has another certificate authority than the token says: it is not the fleet that the token is of`
  throw new PurlinError('PUR_FLEET_TOKEN', { message })
}

async function tryStore({ store, certificate }: AdmissionAnswer, key: string): Promise<void> {
  const { endpoints, prefix, ca } = store
  const opened = openEtcdStore({ endpoints, prefix, ca, certificate, key })
  try {
    await opened.get(MOVING)
  } finally {
    await opened.close()
  }
}

async function storeOf(
  { store }: AdmissionAnswer,
  stateFolder: string,
): Promise<EtcdConfiguration> {
  const files = membershipFiles(stateFolder)
  const { endpoints, prefix, keptRevisions } = store
  const ca = join(files.folder, 'store-ca.pem')
  await mkdir(files.folder, { recursive: true, mode: 0o700 })
  await writeWhole(ca, store.ca)
  const { certificate, key } = files
  return { engine: 'etcd', endpoints, prefix, keptRevisions, ca, certificate, key }
}
