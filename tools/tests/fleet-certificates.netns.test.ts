import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { systemClock } from '@purlin/base'
import { createRequest, openEtcdStore, signRequest } from '@purlin/store'
import test from 'ava'
import { TestEtcd } from '../test/fleet/etcd.ts'
import type { FleetHost } from '../test/fleet/host.ts'
import { FleetRig } from '../test/fleet/rig.ts'

const DAY_MS = 86_400_000

async function eventually(holds: () => Promise<boolean>, limitMs = 30_000): Promise<boolean> {
  const untilMs = systemClock.monotonicMs() + limitMs
  for (;;) {
    if (await holds().catch(() => false)) return true
    if (systemClock.monotonicMs() > untilMs) return false
    await systemClock.sleep(50)
  }
}

const fileOf = ({ stateFolder }: FleetHost, name: string): string =>
  join(stateFolder, 'fleet', name)
const read = async (host: FleetHost, name: string): Promise<string> =>
  await readFile(fileOf(host, name), 'utf8')
const isJoined = async ({ client }: FleetHost): Promise<boolean> => {
  const { store } = await client.health({ attempts: 1 })
  return store?.engine === 'etcd' && store.state === 'ok'
}

let rig: FleetRig
let etcd: TestEtcd

test.before(async () => {
  rig = await FleetRig.start({ hosts: 2, members: 0 })
  const [a, b] = [rig.host(0), rig.host(1)]
  await rig.startAgents()
  await a.client.fleet.init({ name: 'test', listen: `${a.address}:7443` })
  const revokedFile = join(a.folder, 'network/fleet-crl.pem')
  if (!(await eventually(async () => (await readFile(revokedFile)).length > 0))) {
    throw new Error(`no list of revoked certificates: ${await a.log()}`)
  }
  // The member stands on the first host, as in the field.
  const at = { name: 'etcd', addresses: [a.address] }
  const { ca, ...server } = await a.client.fleet.certificate(at)
  const folder = join(rig.folder, 'etcd')
  const place = { folder, address: a.address, enter: (words: readonly string[]) => a.enter(words) }
  etcd = await TestEtcd.start({ ...place, given: { server, ca }, revokedFile })
  await a.client.fleet.moveStore({ endpoints: [...etcd.access.endpoints] })
  await eventually(async () => await isJoined(a))
  const { token } = await a.client.fleet.token({ host: b.name })
  const way = { server: `https://${a.address}:7443`, token, listen: `${b.address}:7443` }
  await b.client.fleet.join(way)
  await eventually(async () => await isJoined(b))
})

test.after.always(async () => {
  await etcd?.stop()
  await rig?.end()
})

/** Whether etcd answers to a host's certificate, asked anew. */
async function opens(host: FleetHost, certificate: string): Promise<boolean> {
  const ca = await read(host, 'ca.pem')
  const key = await read(host, 'host.key')
  const { endpoints } = etcd.access
  const store = openEtcdStore({ endpoints, prefix: '/purlin', ca, certificate, key })
  try {
    await store.get('/none')
    return true
  } catch {
    return false
  } finally {
    await store.close()
  }
}

/** A connection to etcd by a host's certificate, which stays. */
async function standingConnection(host: FleetHost) {
  const { hostname, port } = new URL(etcd.access.endpoints[0] ?? '')
  const [ca, cert, key] = await Promise.all(
    ['ca.pem', 'host.pem', 'host.key'].map((name) => read(host, name)),
  )
  const socket = connect({ host: hostname, port: Number(port), ca, cert, key })
  socket.on('error', () => undefined)
  await once(socket, 'secureConnect')
  const body = JSON.stringify({ key: Buffer.from('/none').toString('base64') })
  const head = `POST /v3/kv/range HTTP/1.1\r\nHost: etcd\r\nContent-Length: ${body.length}\r\n\r\n`
  return {
    answers: async (): Promise<boolean> => {
      if (socket.destroyed) return false
      socket.write(`${head}${body}`)
      const [bytes] = await once(socket, 'data', { signal: AbortSignal.timeout(5_000) })
      return String(bytes).startsWith('HTTP/1.1 200')
    },
    end: () => void socket.destroy(),
  }
}

test.serial(
  'a certificate that ends soon is renewed by its agent, over the same key',
  async (t) => {
    const [a, b] = [rig.host(0), rig.host(1)]
    const first = new X509Certificate(await read(b, 'host.pem'))
    t.true(Date.parse(first.validTo) - Date.now() < 366 * DAY_MS, 'a year at most')
    await b.stopAgent()
    const authority = { certificate: await read(a, 'ca.pem'), key: await read(a, 'ca.key') }
    const { request } = await createRequest(b.name, undefined, await read(b, 'host.key'))
    const subject = { name: b.name, addresses: [b.address] }
    const short = await signRequest(authority, request, subject, undefined, 1)
    await writeFile(fileOf(b, 'host.pem'), short)
    await b.startAgent()
    const renewed = async (): Promise<boolean> => {
      const { validTo } = new X509Certificate(await read(b, 'host.pem'))
      return Date.parse(validTo) - Date.now() > 300 * DAY_MS
    }
    t.true(await eventually(renewed, 60_000), await b.log())
    t.true(await eventually(async () => (await b.log()).includes('certificate was renewed')))
    t.true(await eventually(async () => await isJoined(b)))
    const group = { kind: 'SecurityGroup', name: 'later', spec: {} }
    await (await b.client.apply([group])).wait({ deadlineMs: 20_000 })
    const current = new X509Certificate(await read(b, 'host.pem'))
    t.true(current.publicKey.equals(first.publicKey))
    const known = async (): Promise<boolean> =>
      (await a.client.hosts.list()).some(({ spec }) => spec.fingerprint === current.fingerprint256)
    t.true(await eventually(known), 'the others know it by the new one')
  },
)

test.serial('nobody gets a certificate in the name of another host', async (t) => {
  const [a, b] = [rig.host(0), rig.host(1)]
  const [ca, certificate, key] = await Promise.all(
    ['ca.pem', 'host.pem', 'host.key'].map((name) => read(b, name)),
  )
  const access = { ca: ca ?? '', certificate: certificate ?? '', key: key ?? '' }
  const store = openEtcdStore({ ...etcd.access, prefix: '/purlin', ...access })
  const { request } = await createRequest(a.name)
  for (const shown of [access.certificate, await read(a, 'host.pem')]) {
    const value = { certificate: shown, request }
    await store.transact({ writes: [{ put: `/renewal/${a.name}`, value }] })
    const gone = async () => (await store.get(`/renewal/${a.name}`)) === undefined
    t.true(await eventually(gone))
  }
  t.is(await store.get(`/renewed/${a.name}`), undefined)
  await store.close()
})

test.serial('the certificates of a removed host open neither etcd nor an agent', async (t) => {
  const [a, b] = [rig.host(0), rig.host(1)]
  const certificate = await read(b, 'host.pem')
  t.true(await opens(b, certificate))
  await b.stopAgent()
  const standing = await standingConnection(b)
  t.true(await standing.answers(), 'a connection is there, and etcd answers on it')
  t.true(
    await eventually(() =>
      a.client.fleet.removeHost(b.name).then(
        () => true,
        () => false,
      ),
    ),
  )
  t.true(await eventually(async () => !(await opens(b, certificate))), 'etcd refuses it')
  t.true(await opens(a, await read(a, 'host.pem')), 'and nobody else')
  t.true(await eventually(async () => !(await standing.answers())), 'the one that stood is ended')
  standing.end()
  const group = { kind: 'SecurityGroup', name: 'after', spec: {} }
  await (await a.client.apply([group])).wait({ deadlineMs: 20_000 })
  const files = ['--cert', fileOf(b, 'host.pem'), '--key', fileOf(b, 'host.key')]
  const words = ['--silent', '--cacert', fileOf(b, 'ca.pem'), ...files]
  const url = `https://${a.address}:7443/v1/security-groups`
  t.is(JSON.parse((await b.run('curl', [...words, url])).stdout).code, 'PUR_AUTH_REQUIRED')
  const { crl } = await a.client.fleet.authority()
  t.true(crl.includes('BEGIN X509 CRL'))
})
