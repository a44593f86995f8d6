import { machineVerbs } from '@purlin/schema'
import test from 'ava'
import { hastyClient, taskOf } from '../../tests/samples.ts'
import { answer, serve } from '../../tests/serve.ts'

/** A machine as the agent answers it in that state. */
function machineIn(powerState: string) {
  return {
    kind: 'VirtualMachine',
    name: 'web-1',
    spec: { cpus: 1, memoryMiB: 128, image: 'probe', disks: [], nics: [], powerState: 'running' },
    ...{ uid: 'u1', generation: 1, revision: 3, createdAtMs: 1 },
    status: { observedGeneration: 1, conditions: [], powerState },
  }
}

for (const power of machineVerbs.states) {
  const wanted = machineVerbs.events.filter((verb) => machineVerbs.allows(power, verb))
  test(`a machine that is ${power} has these calls: ${wanted.join(', ') || 'none'}`, async (t) => {
    await using server = await serve(({ method }, response) => {
      if (method === 'GET') answer(response, 200, machineIn(power))
      else answer(response, 202, taskOf())
    })
    await using client = hastyClient(server)
    const machine = await client.virtualMachines.open('web-1')
    const own = ['name', 'power', 'resource', 'refresh', 'console', 'screen']
    const calls = Object.entries(machine).filter(([name]) => !own.includes(name))
    t.deepEqual(calls.map(([name]) => name).toSorted(), wanted.toSorted())
    for (const [, call] of calls) await (call as () => Promise<unknown>)()
    t.deepEqual(
      server.seen.slice(1).map(({ path }) => path),
      calls.map(([name]) => `/v1/virtual-machines/web-1/${name}`),
    )
  })
}

test('while it has power, a machine has a console and a screen', async (t) => {
  const states = [...machineVerbs.states]
  const powers = [...states]
  await using server = await serve((_request, response) =>
    answer(response, 200, machineIn(powers.shift() ?? '')),
  )
  await using client = hastyClient(server)
  const having: string[] = []
  for (const power of states) {
    const machine = await client.virtualMachines.open('web-1')
    if ('console' in machine && 'screen' in machine) having.push(power)
  }
  t.deepEqual(having, ['running', 'paused', 'stopping', 'sleeping', 'crashed'])
})

test('a state that the client does not know offers nothing; another look may tell more', async (t) => {
  const states = ['levitating', 'stopped']
  await using server = await serve((_request, response) =>
    answer(response, 200, machineIn(states.shift() ?? '')),
  )
  await using client = hastyClient(server)
  const machine = await client.virtualMachines.open('web-1')
  t.is(machine.power, 'absent')
  const again = await machine.refresh()
  t.true(again.power === 'stopped' && typeof again.start === 'function')
})

test('what is asked of a guest is one call each, files as bytes', async (t) => {
  await using server = await serve(({ path }, response) => {
    if (path.endsWith('interfaces')) answer(response, 200, { items: [] })
    else if (path.endsWith('read-file')) {
      answer(response, 200, { contentBase64: '/wA=', complete: false })
    } else answer(response, 200, {})
  })
  await using client = hastyClient(server)
  const { guest } = client.virtualMachines
  t.deepEqual(await guest.interfaces('web-1'), [])
  const read = await guest.readFile('web-1', '/etc/x', { maxBytes: 2 })
  t.deepEqual([...read.content, read.complete], [255, 0, false])
  await guest.writeFile('web-1', '/etc/x', new Uint8Array([255, 0]), { append: true })
  await guest.freeze('web-1', { holdSeconds: 5 })
  await guest.thaw('web-1')
  await guest.setTime('web-1')
  t.deepEqual(
    server.seen.map(
      ({ path, body }) => `${path.slice('/v1/virtual-machines/web-1/'.length)} ${body}`,
    ),
    [
      'guest/interfaces ',
      'guest/read-file {"path":"/etc/x","maxBytes":2}',
      'guest/write-file {"path":"/etc/x","contentBase64":"/wA=","append":true}',
      'guest/freeze {"holdSeconds":5}',
      'guest/thaw ',
      'guest/set-time ',
    ],
  )
})

test('a grace goes with the call', async (t) => {
  await using server = await serve((_request, response) => answer(response, 202, taskOf()))
  await using client = hastyClient(server)
  await client.virtualMachines.stop('web-1', { graceSeconds: 5 })
  await client.virtualMachines.reboot('web-1')
  t.deepEqual(
    server.seen.map(({ path, query }) => `${path} ${query}`),
    ['/v1/virtual-machines/web-1/stop graceSeconds=5', '/v1/virtual-machines/web-1/reboot '],
  )
})
