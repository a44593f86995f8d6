import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PurlinError } from '@purlin/base'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { TEXT_CHARACTERS_MAX } from '../foreign-text.ts'
import { refusalOf } from './body.ts'
import { RedfishConnection } from './connection.ts'
import { readEntries, readFieldUnit, readSensor, readSensors } from './read-chassis.ts'
import {
  bootOverride,
  readBootOverride,
  readPower,
  readRedfishHardware,
  readRedfishIdentity,
} from './read-system.ts'
import { RedfishDriver } from './redfish-driver.ts'
import { pathOf } from './resource.ts'

const subject = { name: 'c1', address: '127.0.0.1' }
const signal = new AbortController().signal

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void

/** A service of this process; what it was asked is `METHOD path body`. */
async function serviceOf(t: ExecutionContext, handler: Handler) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (part) => {
      body += part
    })
    request.on('end', () => {
      asked.push(`${request.method} ${request.url} ${body}`.trim())
      handler(request, response, body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const account = { username: 'purlin', password: 'secret', trust: { by: 'none' as const } }
  const connection = new RedfishConnection({ subject, port, ...account, commandTimeoutMs: 20_000 })
  return { asked, driver: new RedfishDriver(connection) }
}

/** A service whose resources are these; everything else is 404, changes are 204. */
function resources(tree: Readonly<Record<string, unknown>>): Handler {
  return (request, response) => {
    const resource = tree[request.url ?? '']
    if (request.method !== 'GET') response.writeHead(204).end()
    else if (resource === undefined) response.writeHead(404).end()
    else response.writeHead(200, { etag: '"7"' }).end(JSON.stringify(resource))
  }
}

const link = (path: string) => ({ '@odata.id': `/redfish/v1/${path}` })
const system = {
  '/redfish/v1/Systems': { Members: [link('Systems/1')] },
  '/redfish/v1/Systems/1': {
    PowerState: 'On',
    UUID: '00112233-4455-6677-8899-AABBCCDDEEFF',
    SerialNumber: 'S1',
    Boot: { BootSourceOverrideEnabled: 'Disabled', BootSourceOverrideMode: 'Legacy' },
    Links: { Chassis: [link('Chassis/1')], ManagedBy: [link('Managers/1')] },
    Actions: {
      '#ComputerSystem.Reset': { target: '/redfish/v1/Systems/1/Actions/ComputerSystem.Reset' },
    },
  },
  '/redfish/v1/Managers/1': { LogServices: link('Managers/1/LogServices') },
  '/redfish/v1/Managers/1/LogServices': {
    Members: [link('Managers/1/LogServices/Journal'), link('Managers/1/LogServices/SEL')],
  },
  '/redfish/v1/Managers/1/LogServices/SEL': {
    Entries: link('Managers/1/LogServices/SEL/Entries'),
    Actions: {
      '#LogService.ClearLog': { target: '/redfish/v1/Managers/1/LogServices/SEL/Actions/Clear' },
    },
  },
  '/redfish/v1/Managers/1/LogServices/SEL/Entries': {
    Members: [
      { Id: '2', Created: '2026-11-22T05:00:02Z', SensorType: 'Fan', Message: 'stopped' },
      { Id: '1', Created: '2026-11-22T05:00:01+00:00', Name: 'Log', Message: 'cleared' },
      { Id: 3 },
    ],
  },
  '/redfish/v1/Chassis/1': { SerialNumber: 'None', Sensors: link('Chassis/1/Sensors') },
  '/redfish/v1/Chassis/1/Sensors': { Members: [link('Chassis/1/Sensors/t')] },
  '/redfish/v1/Chassis/1/Sensors/t': {
    ...{ Name: 'Inlet', Reading: 21.5, ReadingUnits: 'Cel', Status: { Health: 'OK' } },
    Thresholds: { UpperCritical: { Reading: 45 } },
  },
}

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  const thrown: unknown = await attempt.catch((error: unknown) => error)
  return thrown instanceof PurlinError ? thrown.code : `no typed error: ${String(thrown)}`
}

test('the event log of the BMC is found, read oldest first, and cleared', async (t) => {
  const { asked, driver } = await serviceOf(t, resources(system))
  t.deepEqual(await driver.events(signal), [
    { id: '1', atMs: Date.UTC(2026, 10, 22, 5, 0, 1), sensor: 'Log', text: 'cleared' },
    { id: '2', atMs: Date.UTC(2026, 10, 22, 5, 0, 2), sensor: 'Fan', text: 'stopped' },
  ])
  await driver.clearEvents(signal)
  t.is(asked.at(-1), 'POST /redfish/v1/Managers/1/LogServices/SEL/Actions/Clear {}')
})

test('a boot device is set on the resource as it was read, its mode where it is another', async (t) => {
  let ifMatch: string | undefined
  const tree = resources(system)
  const { asked, driver } = await serviceOf(t, (request, response, body) => {
    if (request.method === 'PATCH') ifMatch = request.headers['if-match']
    tree(request, response, body)
  })
  await driver.writeBoot({ device: 'pxe', lasting: false, firmware: 'uefi' }, signal)
  t.is(ifMatch, '"7"')
  const boot =
    '{"Boot":{"BootSourceOverrideTarget":"Pxe","BootSourceOverrideEnabled":"Once","BootSourceOverrideMode":"UEFI"}}'
  t.is(asked.at(-1), `PATCH /redfish/v1/Systems/1 ${boot}`)
})

test('sensors of a newer BMC, identity and power are read', async (t) => {
  const { asked, driver } = await serviceOf(t, resources(system))
  t.deepEqual(await driver.sensors(signal), [
    { name: 'Inlet', unit: 'Cel', status: 'ok', reading: 21.5, upperCritical: 45 },
  ])
  t.deepEqual(await driver.identity(signal), {
    ...{ uuids: ['00112233-4455-6677-8899-aabbccddeeff'], serials: ['S1'] },
  })
  await driver.control('reset', signal)
  const reset = '/redfish/v1/Systems/1/Actions/ComputerSystem.Reset {"ResetType":"ForceRestart"}'
  t.is(asked.at(-1), `POST ${reset}`)
})

const answers: readonly (readonly [string, string, Handler])[] = [
  ['a wrong password', 'PUR_BMC_PASSWORD', (_, response) => response.writeHead(401).end('{}')],
  ['a refusal', 'PUR_BMC_REFUSED', (_, response) => response.writeHead(400).end('no JSON')],
  ['a service that starts', 'PUR_BMC_UNREACHABLE', (_, response) => response.writeHead(503).end()],
  [
    'a redirect',
    'PUR_BMC_REFUSED',
    (_, response) => response.writeHead(307, { location: '/' }).end(),
  ],
  ['an answer that is no JSON', 'PUR_BMC_BAD_ANSWER', (_, response) => response.end('<html>')],
  [
    'an answer without end',
    'PUR_BMC_BAD_ANSWER',
    (_, response) => response.end(' '.repeat(2 ** 21)),
  ],
  ['a connection that is cut', 'PUR_BMC_NO_ANSWER', (_, response) => response.destroy()],
  [
    'two systems',
    'PUR_BMC_BAD_ANSWER',
    resources({ '/redfish/v1/Systems': { Members: [link('Systems/1'), link('Systems/2')] } }),
  ],
  [
    'a link that leads away',
    'PUR_BMC_BAD_ANSWER',
    resources({
      '/redfish/v1/Systems': { Members: [{ '@odata.id': 'http://10.0.0.1/redfish/v1/Systems/1' }] },
    }),
  ],
]
for (const [what, code, handler] of answers) {
  test(`${what} is ${code}`, async (t) => {
    const { driver } = await serviceOf(t, handler)
    t.is(await codeOf(driver.powerState(signal)), code)
  })
}

test('a call that is given up ends at once with the reason of its signal', async (t) => {
  const stop = new AbortController()
  const { driver } = await serviceOf(t, () => stop.abort(new Error('given up')))
  await t.throwsAsync(driver.powerState(stop.signal), { message: 'given up' })
})

test('nobody listens: it is unreachable', async (t) => {
  const account = { username: 'u', password: 'p', trust: { by: 'none' as const } }
  const connection = new RedfishConnection({
    subject,
    port: 1,
    ...account,
    commandTimeoutMs: 20_000,
  })
  t.is(await codeOf(new RedfishDriver(connection).powerState(signal)), 'PUR_BMC_UNREACHABLE')
})

test('once and always are told apart; what is disabled is none', (t) => {
  const read = (Boot: object) => readBootOverride({ Boot })
  const once = { BootSourceOverrideEnabled: 'Once', BootSourceOverrideTarget: 'Pxe' }
  t.like(read(once), { device: 'pxe', lasting: false })
  t.like(read({ ...once, BootSourceOverrideEnabled: 'Continuous' }), { lasting: true })
  t.like(read({ ...once, BootSourceOverrideEnabled: 'Disabled' }), { device: 'none' })
  t.like(read({ ...once, BootSourceOverrideTarget: 'Usb' }), { device: 'other' })
  t.is(read({ ...once, BootSourceOverrideEnabled: 7 }), undefined)
  const request = { device: 'none', lasting: true, firmware: 'uefi' } as const
  t.deepEqual(bootOverride(request, {}), {
    Boot: { BootSourceOverrideTarget: 'None', BootSourceOverrideEnabled: 'Disabled' },
  })
})

test('only paths of the service are followed', (t) => {
  t.is(pathOf('/redfish/v1/Systems/1'), '/redfish/v1/Systems/1')
  for (const path of [
    '/',
    '//x/redfish/v1',
    '/redfish/v1/../x',
    '/redfish/v1/a b',
    '/redfish/v1x',
    7,
  ])
    t.is(pathOf(path), undefined, String(path))
})

/** Resources of any shape, often with the names that are looked for. */
const names = fc.constantFrom(
  ...['Members', 'Temperatures', 'Fans', 'Name', 'Id', 'Status', 'Health', 'Boot', 'PowerState'],
  ...['ReadingCelsius', 'Message', 'Created', 'UUID', 'SerialNumber', 'Manufacturer', 'error'],
)
const { value: anyResource } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.jsonValue(),
    fc.string({ unit: 'binary', maxLength: 600 }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(names, tie('value'), { maxKeys: 5 }),
  ),
}))

function textsOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : []
}

test('whatever a service says is read without a fault, into bounded texts', (t) => {
  const check = (value: unknown): boolean => {
    const read = [
      readSensors(value),
      readSensor(value),
      readFieldUnit(value),
      readEntries(value),
      readRedfishHardware(value, value),
      readRedfishIdentity(value, [value]),
      readPower(value),
      readBootOverride(value),
      refusalOf(400, { resource: value }),
    ]
    return read.flatMap(textsOf).every((text) => text.length <= TEXT_CHARACTERS_MAX + 32)
  }
  fc.assert(fc.property(anyResource, check))
  t.pass()
})
