/** The daemon as a process of its own, over the API, against a real BMC (ipmi_sim) whose machine is
 *  a state of power alone. One chassis, one story: the tests go on where the one before ended. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type PurlinError, systemClock, toPurlinError } from '@purlin/base'
import { bareMetalKinds } from '@purlin/schema'
import anyTest, { type TestFn } from 'ava'
import { HASH, makeRig, PASSWORD, until } from './daemon-rig.ts'

const test = anyTest.serial as TestFn<unknown>
const CHASSIS = 'rack1-u07'

let rig: Awaited<ReturnType<typeof makeRig>>

anyTest.before('the daemon starts', async () => {
  rig = await makeRig()
})

anyTest.after.always('everything ends', async () => {
  await rig?.end()
})

const chassis = async () => await rig.client.chassis.get(CHASSIS)
const lifeOf = async () => (await chassis()).status.life
const reached = (state: string) =>
  until(`chassis ${CHASSIS} in state ${state}`, async () => {
    const life = await lifeOf()
    return life?.state === state && life
  })

test('the example applies unchanged: the network is served, the BMC is asked, discovery begins', async (t) => {
  await rig.client.applyFile(rig.manifest)
  await reached('discovering')
  await until('the power goes on', async () => rig.chassis.power === 'on')
  const found = await chassis()
  t.is(found.status.address, '10.88.0.100')
  t.is(found.status.conditions[0]?.status, 'true')
  const network = await until('the network is served', async () => {
    const one = await rig.client.deploymentNetworks.get('deploy0')
    return one.status.conditions[0]?.status === 'true' && one
  })
  t.is(network.status.conditions[0]?.reason, 'Serving')
  t.is((await rig.client.health()).status, 'ok')
  const instance = await rig.client.bareMetalInstances.get('db-1-metal')
  t.regex(instance.status.conditions[0]?.reason ?? '', /^(AwaitingContent|ContentFailed)$/)
})

test('a daemon that is killed goes on where it was, and switches nothing again', async (t) => {
  const poweredOn = () => rig.chassis.events.filter(({ what }) => /power on/.test(what)).length
  const before = await until('the chassis is left alone', async () => {
    const life = await lifeOf()
    return life?.step === 'first contact' && life
  })
  const events = poweredOn()
  await rig.daemon.kill()
  await rig.daemon.startAgain()
  const after = await lifeOf()
  t.deepEqual(
    [after?.state, after?.sinceMs, after?.deadlineAtMs, after?.attempt],
    [before.state, before.sinceMs, before.deadlineAtMs, before.attempt],
  )
  t.is(poweredOn(), events)
  const open = (await rig.client.tasks.list()).filter(({ state }) => state === 'running')
  for (const task of open) t.is(task.verb, 'apply')
})

test('what is under way is given up on demand, and the chassis is off and at rest', async (t) => {
  const task = await rig.client.chassis.cancel(CHASSIS)
  const ended = await task.wait()
  t.is(ended.state, 'succeeded')
  t.is((await lifeOf())?.state, 'manageable')
  t.is(rig.chassis.power, 'off')
})

test('power, boot device, sensors, units, event log and identity go through the API', async (t) => {
  const { chassis: calls } = rig.client
  await (await calls.setPower(CHASSIS, 'on')).wait()
  t.is(rig.chassis.power, 'on')
  t.is((await calls.power(CHASSIS)).power, 'on')
  await (await calls.setPower(CHASSIS, 'off')).wait()
  t.is(rig.chassis.power, 'off')
  t.is((await calls.setBoot(CHASSIS, { device: 'disk' })).device, 'disk')
  t.is((await calls.boot(CHASSIS)).device, 'disk')
  t.like((await calls.sensors(CHASSIS))[0], { name: 'CPU Temp', reading: 45 })
  t.true((await calls.fieldUnits(CHASSIS)).length > 0)
  t.true(Array.isArray(await calls.eventLog(CHASSIS)))
  t.is((await calls.hardware(CHASSIS)).product, 'SimChassis')
  const identity = await calls.identity(CHASSIS)
  t.true(identity.uuids.includes('0f0f0f0f-1111-2222-3333-444444444444'))
  t.true(identity.serials.includes('SC-0007'))
  t.true((await calls.history(CHASSIS)).length > 2)
})

test('what the serial line says reaches whoever follows it, and stays readable after', async (t) => {
  const { chassis: calls } = rig.client
  const stop = new AbortController()
  const line = 'login: of the machine'
  // A session loses what is said before it stands, so the machine says it until it is heard.
  const speaking = (async () => {
    while (!stop.signal.aborted) {
      rig.chassis.print(`${line}\r\n`)
      await systemClock.sleep(200)
    }
  })()
  let heard = ''
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(60_000)])
  for await (const event of calls.console(CHASSIS, { signal })) {
    if (event.kind === 'output') heard += Buffer.from(event.bytes).toString('latin1')
    if (heard.includes(line)) break
  }
  stop.abort()
  await speaking
  t.true(heard.includes(line), heard)
  let recorded = ''
  for await (const event of calls.console(CHASSIS, { follow: false })) {
    if (event.kind === 'output') recorded += Buffer.from(event.bytes).toString('latin1')
  }
  t.true(recorded.includes(line), recorded)
})

test('a wrong password ends the task that needs it; the right one is taken up by itself', async (t) => {
  const secret = (await rig.client.secrets.get('bmc-1')).spec
  const document = { kind: 'Secret', name: 'bmc-1', spec: secret }
  const password = (text: string) => ({ files: { './bmc-1.password': text } })
  await (await rig.client.apply([document], password('wrong'))).wait()
  const thrown = await t.throwsAsync(
    async () => await (await rig.client.chassis.verify(CHASSIS)).wait(),
  )
  t.is(toPurlinError(thrown).code, 'PUR_BMC_PASSWORD')
  t.is((await lifeOf())?.state, 'failed')
  t.like((await lifeOf())?.failure, { state: 'verifying', code: 'PUR_BMC_PASSWORD' })
  t.true((await rig.client.alerts()).some(({ code }) => code === 'PUR_BMC_PASSWORD'))
  await (await rig.client.apply([document], password(PASSWORD))).wait()
  await until('the BMC is known again', async () => (await lifeOf())?.state !== 'failed')
})

test('a BMC that is down is told as that, and works again when it is back', async (t) => {
  await (await rig.client.chassis.cancel(CHASSIS)).wait()
  await rig.chassis.stopBmc()
  const thrown = await t.throwsAsync(async () => await rig.client.chassis.power(CHASSIS))
  t.regex(toPurlinError(thrown).code, /^PUR_BMC_(UNREACHABLE|TIMEOUT|NO_ANSWER)$/)
  await rig.chassis.startBmc()
  t.is((await rig.client.chassis.power(CHASSIS)).power, 'off')
})

test('what cannot be is refused with its path, and nothing is applied', async (t) => {
  const refusal = async (documents: object[], files = {}): Promise<PurlinError> => {
    const thrown = await t.throwsAsync(async () => await rig.client.apply(documents, { files }))
    return toPurlinError(thrown)
  }
  const missing = await refusal([{ kind: 'Secret', name: 'bmc-2', spec: { passwordFile: './x' } }])
  t.like(missing, { code: 'PUR_INVALID', problems: [{ path: 'spec.passwordFile' }] })
  const known = await chassis()
  const twin = { kind: 'Chassis', name: 'twin', spec: { ...known.spec, address: undefined } }
  const paths = (await refusal([twin])).problems.map(({ path }) => path)
  t.deepEqual(paths.toSorted(), ['spec.bmc.address', 'spec.bootMac'])
  const machine = { kind: 'SecurityGroup', name: 'web', spec: {} }
  const foreign = await refusal([machine])
  t.is(foreign.code, 'PUR_KIND_NOT_SERVED')
  t.regex(foreign.message, /purlin-host-agent/)
  const inUse = await t.throwsAsync(async () => await rig.client.secrets.delete('bmc-1'))
  t.is(toPurlinError(inUse).code, 'PUR_RESOURCE_IN_USE')
  await t.throwsAsync(async () => await rig.client.chassis.get('twin'))
})

test('an instance that was never begun is gone at once, and so is its chassis after it', async (t) => {
  await (await rig.client.chassis.cancel(CHASSIS)).wait()
  await (await rig.client.bareMetalInstances.release('db-1-metal')).wait()
  await (await rig.client.chassis.delete(CHASSIS)).wait()
  t.deepEqual(await rig.client.chassis.list(), [])
  t.deepEqual(await rig.client.bareMetalInstances.list(), [])
})

test('no secret is in an answer, an event, a task, a log or a file of the state folder', async (t) => {
  const texts = [await readFile(rig.daemon.logFile, 'utf8'), await rig.client.metrics()]
  for (const kind of bareMetalKinds) {
    texts.push(JSON.stringify(await rig.client.resources(kind).list()))
  }
  texts.push(JSON.stringify(await rig.client.tasks.list()))
  for await (const event of rig.client.events({ after: 0, follow: false })) {
    texts.push(JSON.stringify(event))
  }
  const folder = join(rig.folder, 'daemon')
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    // A password of a command under way is in a file of its own, for ipmitool alone.
    if (entry.parentPath.startsWith(join(folder, 'run', 'bmc'))) continue
    // Files that are only there for a moment are written beside others and renamed.
    const read = readFile(join(entry.parentPath, entry.name), 'latin1').catch(() => '')
    if (entry.isFile()) texts.push(await read)
  }
  t.true(texts.length > 15)
  for (const secret of [PASSWORD, HASH, Buffer.from(PASSWORD).toString('base64')]) {
    t.deepEqual(
      texts.filter((text) => text.includes(secret)),
      [],
    )
  }
})
