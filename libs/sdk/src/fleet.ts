import type {
  AuthorityAnswer,
  CertificateAnswer,
  CertificateRequest,
  FenceAnswer,
  FleetAnswer,
  FleetRequest,
  HostTokenAnswer,
  HostTokenRequest,
  JoinRequest,
  StoreMoveAnswer,
  StoreMoveRequest,
} from '@purlin/schema'
import type { CallOptions, MutationOptions } from './connect/call.ts'
import { carryOut } from './connect/operation.ts'
import type { Transport } from './connect/transport.ts'

/** Long enough for keys to be made, hosts to be asked and a whole state to be copied. */
const DEADLINE_MS = 120_000

/** Making a fleet of hosts. None of these calls is repeated by itself. */
export interface Fleet {
  /** Makes this host the first of a fleet. Errors: PUR_FLEET_STATE. */
  init(request: FleetRequest, options?: CallOptions): Promise<FleetAnswer>
  /** A key and a certificate of the fleet’s authority. Errors: PUR_FLEET_NO_AUTHORITY. */
  certificate(request: CertificateRequest, options?: CallOptions): Promise<CertificateAnswer>
  /** The authority’s certificate and its list of revoked ones. Errors: PUR_FLEET_STATE. */
  authority(options?: CallOptions): Promise<AuthorityAnswer>
  /** A token by which one host may join, once. Errors: PUR_FLEET_NO_AUTHORITY. */
  token(request?: HostTokenRequest, options?: CallOptions): Promise<HostTokenAnswer>
  /** Makes the agent’s host join the fleet of another. Errors: PUR_FLEET_TOKEN,
   *  PUR_HOST_OCCUPIED, PUR_HOST_NAME_TAKEN, PUR_STORE_UNREACHABLE. */
  join(request: JoinRequest, options?: CallOptions): Promise<FleetAnswer>
  /** Forgets a host that is away. Errors: PUR_RESOURCE_IN_USE while it is there. */
  removeHost(name: string, options?: MutationOptions): Promise<void>
  /** Says that a host is off for certain; answers the machines whose leases it had, which may be
   *  started elsewhere from then on. Errors: PUR_RESOURCE_IN_USE while its agent is there. */
  fenceHost(name: string, options?: MutationOptions): Promise<FenceAnswer>
  /** Moves the state of the agent’s host into etcd. Errors: PUR_STORE_OCCUPIED. */
  moveStore(request: StoreMoveRequest, options?: CallOptions): Promise<StoreMoveAnswer>
}

/** The fleet as the agent behind `transport` makes it. */
export function fleetOf(transport: Transport): Fleet {
  const once = (options?: CallOptions) => ({ attempts: 1, deadlineMs: DEADLINE_MS, ...options })
  return {
    init: (body, options) => carryOut(transport, 'initFleet', { body, options: once(options) }),
    certificate: (body, options) =>
      carryOut(transport, 'issueCertificate', { body, options: once(options) }),
    authority: (options) => carryOut(transport, 'showAuthority', { options }),
    token: (body = {}, options) =>
      carryOut(transport, 'createHostToken', { body, options: once(options) }),
    join: (body, options) => carryOut(transport, 'joinFleet', { body, options: once(options) }),
    removeHost: async (name, options) => {
      await carryOut(transport, 'removeHost', { parts: { name }, options })
    },
    fenceHost: (name, options) => carryOut(transport, 'fenceHost', { parts: { name }, options }),
    moveStore: (body, options) =>
      carryOut(transport, 'moveStore', { body, options: once(options) }),
  }
}
