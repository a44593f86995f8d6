import { PurlinError } from '@purlin/base'
import test from 'ava'
import { groupOf, hastyClient, taskOf } from '../../tests/samples.ts'
import { answer, refuse, serve } from '../../tests/serve.ts'
import { type Client, manifestOfResource, type RuleInput } from '../index.ts'

const rule: RuleInput<'inbound'> = {
  family: 'ipv4',
  protocol: 'tcp',
  ports: ['22'],
  action: 'deny',
}

test('get, list, put and delete speak to the plural of the kind', async (t) => {
  await using server = await serve(({ method, path }, response) => {
    if (method === 'GET' && path.endsWith('s')) answer(response, 200, { items: [groupOf(3)] })
    else if (method === 'GET') answer(response, 200, groupOf(3))
    else answer(response, 202, taskOf())
  })
  await using client = hastyClient(server)
  t.is((await client.securityGroups.list()).length, 1)
  t.is((await client.securityGroups.get('web')).revision, 3)
  await client.securityGroups.put(
    { kind: 'SecurityGroup', name: 'web', spec: {} },
    { ifRevision: 3 },
  )
  await client.distributedSwitches.delete('dvs0')
  t.deepEqual(
    server.seen.map(({ method, path }) => `${method} ${path}`),
    [
      'GET /v1/security-groups',
      'GET /v1/security-groups/web',
      'PUT /v1/security-groups/web',
      'DELETE /v1/distributed-switches/dvs0',
    ],
  )
  t.is(server.seen[2]?.headers['if-match'], '3')
  t.is(server.seen[3]?.headers['if-match'], undefined)
})

test('a name is one part of the path, whatever it holds', async (t) => {
  await using server = await serve((_request, response) => answer(response, 200, {}))
  await using client = hastyClient(server)
  await client.ports.get('../tokens?x#y')
  t.is(server.seen[0]?.path, '/v1/ports/..%2Ftokens%3Fx%23y')
})

test('kinds that the agent writes alone offer no put and no delete', async (t) => {
  await using client = hastyClient({ socketPath: '/nonexistent' })
  t.deepEqual(Object.keys(client.ports), ['get', 'list'])
})

test('a put that does not fit the schema is not sent', async (t) => {
  await using server = await serve((_request, response) => answer(response, 202, taskOf()))
  await using client = hastyClient(server)
  const error = await t.throwsAsync(
    client.portGroups.put({ kind: 'PortGroup', name: 'a', spec: { switch: 's', vlan: 5000 } }),
    { instanceOf: PurlinError },
  )
  t.is(error?.code, 'PUR_INVALID')
  t.is(error?.problems[0]?.path, 'spec.vlan')
  t.is(server.seen.length, 0)
})

test('a resource becomes a manifest by leaving out what the agent added', (t) => {
  t.deepEqual(manifestOfResource<'SecurityGroup'>(groupOf(3) as never), {
    kind: 'SecurityGroup',
    name: 'web',
    spec: { allowWithinGroup: true, inbound: [], outbound: [] },
  })
})

/** What a call sent: method, path and body. */
async function sentBy(call: (client: Client) => Promise<unknown>): Promise<readonly unknown[]> {
  await using server = await serve((_request, response) => answer(response, 202, taskOf()))
  await using client = hastyClient(server)
  await call(client)
  return server.seen.map(({ method, path, body, headers }) => [
    `${method} ${path}`,
    ...(body === '' ? [] : [JSON.parse(body)]),
    ...(headers['if-match'] === undefined ? [] : [`if-match ${headers['if-match']}`]),
  ])[0] as readonly unknown[]
}

test('each change of a rule is one call, guarded by the revision where it is given', async (t) => {
  const at = { direction: 'outbound', priority: 3 } as const
  const rules = '/v1/security-groups/web/rules'
  const calls: [(client: Client) => Promise<unknown>, readonly unknown[]][] = [
    [
      ({ securityGroups }) => securityGroups.addRules('web', 'inbound', [rule, rule]),
      [`POST ${rules}`, { direction: 'inbound', rules: [rule, rule] }],
    ],
    [
      ({ securityGroups }) =>
        securityGroups.insertRule('web', 'inbound', rule, 1, { ifRevision: 4 }),
      [`POST ${rules}`, { direction: 'inbound', rules: [rule], priority: 1 }, 'if-match 4'],
    ],
    [
      ({ securityGroups }) => securityGroups.modifyRule('web', 'r-1', { ports: null }),
      [`PATCH ${rules}/r-1`, { ports: null }],
    ],
    [
      ({ securityGroups }) => securityGroups.disableRule('web', at, { ifRevision: 5 }),
      [`PATCH ${rules}/outbound%3A3`, { enabled: false }, 'if-match 5'],
    ],
    [
      ({ securityGroups }) => securityGroups.enableRule('web', at),
      [`PATCH ${rules}/outbound%3A3`, { enabled: true }],
    ],
    [
      ({ securityGroups }) => securityGroups.moveRule('web', 'r-1', 0),
      [`POST ${rules}/r-1/move`, { priority: 0 }],
    ],
    [
      ({ securityGroups }) => securityGroups.deleteRule('web', at, { ifRevision: 6 }),
      [`DELETE ${rules}/outbound%3A3`, 'if-match 6'],
    ],
    [
      ({ securityGroups }) => securityGroups.modify('web', { allowWithinGroup: false }),
      ['PATCH /v1/security-groups/web', { allowWithinGroup: false }],
    ],
    [
      ({ securityGroups }) => securityGroups.importRules('web', { text: '{}', replace: true }),
      [`POST ${rules}/import`, { text: '{}', replace: true }],
    ],
  ]
  for (const [call, sent] of calls) t.deepEqual(await sentBy(call), sent)
})

test('groups of a NIC are attached, detached and put into another order', async (t) => {
  const groups = '/v1/virtual-machines/web-1/nics/eth0/security-groups'
  t.deepEqual(
    await sentBy(({ virtualMachines }) =>
      virtualMachines.attachGroup('web-1', 'eth0', 'ops', { priority: 0, ifRevision: 9 }),
    ),
    [`POST ${groups}`, { group: 'ops', priority: 0 }, 'if-match 9'],
  )
  t.deepEqual(
    await sentBy(({ virtualMachines }) => virtualMachines.detachGroup('web-1', 'eth0', 'ops')),
    [`DELETE ${groups}/ops`],
  )
  t.deepEqual(
    await sentBy(({ virtualMachines }) =>
      virtualMachines.reorderGroups('web-1', 'eth0', ['web', 'ops']),
    ),
    [`PUT ${groups}`, { groups: ['web', 'ops'] }],
  )
})

test('rules that do not fit the schema are not sent; each problem names its field', async (t) => {
  await using server = await serve((_request, response) => answer(response, 202, taskOf()))
  await using client = hastyClient(server)
  const { securityGroups } = client
  const wrong = { ...rule, protocol: 'icmp' } as const
  const added = await t.throwsAsync(securityGroups.addRules('web', 'inbound', [rule, wrong]), {
    instanceOf: PurlinError,
  })
  t.is(added?.problems[0]?.path, 'rules[1].ports')
  const moved = await t.throwsAsync(securityGroups.moveRule('web', 'r-1', -1), {
    instanceOf: PurlinError,
  })
  t.is(moved?.problems[0]?.path, 'priority')
  t.is(server.seen.length, 0)
})

test('a problem of a file that the agent found keeps its line', async (t) => {
  await using server = await serve((_request, response) =>
    refuse(response, 422, 'PUR_INVALID', {
      problems: [{ line: 7, path: 'inbound[0].ports', message: 'is wrong' }],
    }),
  )
  await using client = hastyClient(server)
  const error = await t.throwsAsync(client.securityGroups.planImport('web', { text: 'x' }), {
    instanceOf: PurlinError,
  })
  t.deepEqual(error?.problems, [{ line: 7, path: 'inbound[0].ports', message: 'is wrong' }])
})

test('an export is the text that the agent gave', async (t) => {
  await using server = await serve(({ query }, response) => {
    response.writeHead(200).end(`as ${query.get('format')}`)
  })
  await using client = hastyClient(server)
  t.is(await client.securityGroups.exportRules('web', 'csv'), 'as csv')
})

test('machines are started, stopped and given commands', async (t) => {
  await using server = await serve(({ path }, response) =>
    path.endsWith('exec')
      ? answer(response, 200, { exitCode: 3, stdout: 'out', stderr: '' })
      : answer(response, 202, taskOf({ verb: 'start' })),
  )
  await using client = hastyClient(server)
  await client.virtualMachines.start('web-1')
  await client.virtualMachines.stop('web-1')
  const ended = await client.virtualMachines.exec('web-1', ['ls', '-l'], { timeoutMs: 5 })
  t.is(ended.exitCode, 3)
  t.deepEqual(
    server.seen.map(({ path }) => path),
    ['start', 'stop', 'exec'].map((verb) => `/v1/virtual-machines/web-1/${verb}`),
  )
  t.deepEqual(JSON.parse(server.seen[2]?.body ?? ''), { command: ['ls', '-l'], timeoutMs: 5 })
})
