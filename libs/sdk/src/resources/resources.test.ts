import { PurlinError } from '@purlin/base'
import test from 'ava'
import { groupOf, hastyClient, taskOf } from '../../tests/samples.ts'
import { answer, refuse, serve } from '../../tests/serve.ts'
import { manifestOfResource, type RuleInput } from '../index.ts'

const rule: RuleInput<'inbound'> = {
  family: 'ipv4',
  protocol: 'tcp',
  ports: ['22'],
  action: 'deny',
}
const others = [
  { family: 'ipv4', protocol: 'all', action: 'allow', enabled: true },
  { family: 'ipv6', protocol: 'all', action: 'allow', enabled: true },
]

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

test('insertRule puts the rule at its priority with the revision seen', async (t) => {
  await using server = await serve(({ method }, response) =>
    method === 'GET' ? answer(response, 200, groupOf(4, others)) : answer(response, 202, taskOf()),
  )
  await using client = hastyClient(server)
  await client.securityGroups.insertRule('web', 'inbound', rule, 1)
  t.is(server.seen[1]?.headers['if-match'], '4')
  t.deepEqual(JSON.parse(server.seen[1]?.body ?? '').spec.inbound, [others[0], rule, others[1]])
})

test('insertRule reads again where somebody else was faster', async (t) => {
  await using server = await serve(({ method }, response, earlier) => {
    const puts = earlier.filter((one) => one.method === 'PUT').length
    if (method === 'GET') answer(response, 200, groupOf(4 + puts, others))
    else if (puts < 2) refuse(response, 412, 'PUR_RESOURCE_REVISION')
    else answer(response, 202, taskOf())
  })
  await using client = hastyClient(server)
  await client.securityGroups.insertRule('web', 'inbound', rule, 0)
  const puts = server.seen.filter(({ method }) => method === 'PUT')
  t.deepEqual(
    puts.map(({ headers }) => headers['if-match']),
    ['4', '5', '6'],
  )
  t.is(new Set(puts.map(({ headers }) => headers['idempotency-key'])).size, 3)
})

test('insertRule gives up after five revisions', async (t) => {
  await using server = await serve(({ method }, response) =>
    method === 'GET'
      ? answer(response, 200, groupOf(4))
      : refuse(response, 412, 'PUR_RESOURCE_REVISION'),
  )
  await using client = hastyClient(server)
  const error = await t.throwsAsync(client.securityGroups.addRule('web', 'inbound', rule), {
    instanceOf: PurlinError,
  })
  t.is(error?.code, 'PUR_RESOURCE_REVISION')
  t.is(server.seen.length, 10)
})

test('a priority outside the list is refused and nothing is put', async (t) => {
  await using server = await serve((_request, response) =>
    answer(response, 200, groupOf(4, others)),
  )
  await using client = hastyClient(server)
  const { securityGroups } = client
  for (const call of [
    () => securityGroups.insertRule('web', 'inbound', rule, 3),
    () => securityGroups.insertRule('web', 'inbound', rule, -1),
    () => securityGroups.insertRule('web', 'inbound', rule, 0.5),
    () => securityGroups.deleteRule('web', 'inbound', 2),
    () => securityGroups.deleteRule('web', 'outbound', 0),
  ]) {
    const error = await t.throwsAsync(call(), { instanceOf: PurlinError })
    t.is(error?.code, 'PUR_INVALID')
  }
  t.true(server.seen.every(({ method }) => method === 'GET'))
})

test('deleteRule moves the rules behind it up', async (t) => {
  await using server = await serve(({ method }, response) =>
    method === 'GET' ? answer(response, 200, groupOf(4, others)) : answer(response, 202, taskOf()),
  )
  await using client = hastyClient(server)
  await client.securityGroups.deleteRule('web', 'inbound', 0)
  t.deepEqual(JSON.parse(server.seen[1]?.body ?? '').spec.inbound, [others[1]])
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
