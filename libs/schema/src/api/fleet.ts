import { z } from 'zod'
import { resourceName } from '../fields/names.ts'
import type { Operation } from './operation.ts'

const address = z
  .string()
  .regex(/^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$/, 'must be an IP address or a host name')
const listen = z
  .string()
  .regex(
    /^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):\d{1,5}$/,
    'must be ADDRESS:PORT, IPv6 as [ADDRESS]:PORT',
  )
  .meta({ description: 'Where the other agents reach this one.', example: '192.0.2.1:7443' })
const httpsUrl = z
  .string()
  .refine((text) => URL.canParse(text) && new URL(text).protocol === 'https:', {
    message: 'must be https://HOST:PORT',
  })
const path = z.string().startsWith('/', 'must be an absolute path on the host')

const revocations = z.string().meta({
  description: 'Certificates that are good no more, PEM; empty before the first are known.',
})

export const fleetRequest = z
  .strictObject({ name: resourceName, listen, addresses: z.array(address).max(16).default([]) })
  .meta({ id: 'FleetRequest' })
export type FleetRequest = z.input<typeof fleetRequest>

export const fleetAnswer = z
  .strictObject({
    fleet: z.string(),
    host: z.string(),
    fingerprint: z.string().meta({ description: 'SHA-256 of the authority’s certificate.' }),
  })
  .meta({ id: 'FleetAnswer' })
export type FleetAnswer = z.infer<typeof fleetAnswer>

export const certificateRequest = z
  .strictObject({ name: address, addresses: z.array(address).max(16).default([]) })
  .meta({ id: 'CertificateRequest' })
export type CertificateRequest = z.input<typeof certificateRequest>

/** A key that the agent made is shown once, when it is made. */
export const certificateAnswer = z
  .strictObject({ certificate: z.string(), key: z.string(), ca: z.string(), crl: revocations })
  .meta({ id: 'CertificateAnswer' })
export type CertificateAnswer = z.infer<typeof certificateAnswer>

export const hostTokenRequest = z
  .strictObject({
    host: resourceName.optional().meta({ description: 'The one host that may join by it.' }),
    minutes: z.number().int().min(1).max(10_080).default(60),
  })
  .meta({ id: 'HostTokenRequest' })
export type HostTokenRequest = z.input<typeof hostTokenRequest>

export const hostTokenAnswer = z
  .strictObject({ token: z.string(), expiresAtMs: z.number().int() })
  .meta({ id: 'HostTokenAnswer' })
export type HostTokenAnswer = z.infer<typeof hostTokenAnswer>

export const authorityAnswer = z
  .strictObject({ fleet: z.string(), ca: z.string(), crl: revocations })
  .meta({ id: 'AuthorityAnswer' })
export type AuthorityAnswer = z.infer<typeof authorityAnswer>

export const admissionRequest = z
  .strictObject({
    token: z.string().max(400),
    name: resourceName,
    request: z.string().max(16_384).meta({ description: 'PKCS #10, PEM.' }),
    listen,
    addresses: z.array(address).max(64),
    version: z.string().max(64),
  })
  .meta({ id: 'AdmissionRequest' })
export type AdmissionRequest = z.input<typeof admissionRequest>

export const admissionAnswer = z
  .strictObject({
    fleet: z.string(),
    certificate: z.string(),
    store: z.strictObject({
      endpoints: z.array(z.string()),
      prefix: z.string(),
      keptRevisions: z.number().int(),
      ca: z.string(),
    }),
  })
  .meta({ id: 'AdmissionAnswer' })
export type AdmissionAnswer = z.infer<typeof admissionAnswer>

export const joinRequest = z
  .strictObject({
    server: httpsUrl,
    token: z.string().max(400),
    listen,
    discard: z.boolean().default(false).meta({
      description: 'Join also where the host has resources of its own; they are left behind.',
    }),
  })
  .meta({ id: 'JoinRequest' })
export type JoinRequest = z.input<typeof joinRequest>

export const storeMoveRequest = z
  .strictObject({
    endpoints: z.array(httpsUrl).min(1).max(15),
    prefix: z
      .string()
      .regex(/^\/[a-zA-Z0-9._/-]{0,99}[a-zA-Z0-9]$/, 'must be like /purlin/dc1')
      .default('/purlin'),
    ca: path.optional().meta({ description: 'Absent: etcd is of the fleet’s own authority.' }),
    certificate: path.optional(),
    key: path.optional(),
  })
  .meta({ id: 'StoreMoveRequest' })
export type StoreMoveRequest = z.input<typeof storeMoveRequest>

export const storeMoveAnswer = z
  .strictObject({ entries: z.number().int(), kept: z.string() })
  .meta({ id: 'StoreMoveAnswer' })
export type StoreMoveAnswer = z.infer<typeof storeMoveAnswer>

export const fenceAnswer = z
  .strictObject({
    machines: z.array(z.string()).meta({ description: 'Machines whose leases it had.' }),
  })
  .meta({ id: 'FenceAnswer' })
export type FenceAnswer = z.infer<typeof fenceAnswer>

/** The calls that make a fleet of hosts. */
export const fleetOperations = {
  initFleet: {
    method: 'POST',
    path: '/v1/fleet/init',
    summary: 'Make this host the first of a fleet, with a certificate authority of its own.',
    role: 'admin',
    status: 200,
    body: fleetRequest,
    answer: fleetAnswer,
  },
  issueCertificate: {
    method: 'POST',
    path: '/v1/fleet/certificates',
    summary: 'A key and a certificate of the fleet’s authority, such as a member of etcd needs.',
    role: 'admin',
    status: 200,
    body: certificateRequest,
    answer: certificateAnswer,
  },
  createHostToken: {
    method: 'POST',
    path: '/v1/fleet/tokens',
    summary: 'A token by which one host may join, once; its text is shown once.',
    role: 'admin',
    status: 200,
    body: hostTokenRequest,
    answer: hostTokenAnswer,
  },
  showAuthority: {
    method: 'GET',
    path: '/v1/fleet/authority',
    summary: 'The certificate of the fleet’s authority; the token says which one it must be.',
    role: null,
    status: 200,
    answer: authorityAnswer,
  },
  admitHost: {
    method: 'POST',
    path: '/v1/fleet/hosts',
    summary: 'What a joining host’s agent asks: a certificate, and where the store is.',
    role: null,
    status: 200,
    body: admissionRequest,
    answer: admissionAnswer,
  },
  joinFleet: {
    method: 'POST',
    path: '/v1/fleet/join',
    summary: 'Make this host join the fleet of another.',
    role: 'admin',
    status: 200,
    body: joinRequest,
    answer: fleetAnswer,
  },
  removeHost: {
    method: 'DELETE',
    path: '/v1/fleet/hosts/:name',
    summary: 'Forget a host that is away; its certificate is not believed any more.',
    role: 'admin',
    status: 200,
    answer: z.strictObject({}),
  },
  fenceHost: {
    method: 'POST',
    path: '/v1/fleet/hosts/:name/fenced',
    summary: 'Say that a host is off for certain, so that its machines may be started elsewhere.',
    role: 'admin',
    status: 200,
    answer: fenceAnswer,
  },
  moveStore: {
    method: 'POST',
    path: '/v1/store/move',
    summary: 'Move the state of this host from its file into etcd.',
    role: 'admin',
    status: 200,
    body: storeMoveRequest,
    answer: storeMoveAnswer,
  },
} as const satisfies Record<string, Operation>
