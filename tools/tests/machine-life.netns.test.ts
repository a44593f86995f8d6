import type { Resource } from '@purlin/schema'
import test from 'ava'
import { checkConsole, checkEnds, checkScreen } from './machine-consoles.ts'
import { done, type MachineHost, machineDocument, startMachineHost } from './machine-host.ts'
import { eventually } from './volume-host.ts'

const TEST_LIMIT_MS = 300_000

let host: MachineHost
test.before(async (t) => {
  t.timeout(TEST_LIMIT_MS)
  host = await startMachineHost()
})
test.after.always(async () => {
  await host[Symbol.asyncDispose]()
})

test.serial(
  'who opens the console writes to the guest and reads its answer, the screen speaks RFB, and both end with the machine',
  async (t) => {
    t.timeout(TEST_LIMIT_MS)
    await done(host.client.apply([machineDocument('web-1')]))
    await host.answers('web-1')
    await checkConsole(t, host, 'web-1')
    await checkScreen(t, host, 'web-1')
    await checkEnds(t, host, 'web-1')
  },
)

test.serial(
  'a machine goes through its life by the API, and a killed agent changes nothing of it',
  async (t) => {
    t.timeout(TEST_LIMIT_MS)
    const { client, guest, answers } = host
    const { virtualMachines } = client
    await done(client.apply([machineDocument('web-1', { restart: 'onCrash' })]))
    await answers('web-1')
    const bootId = () => guest('web-1', 'cat /proc/sys/kernel/random/boot_id')
    const first = await bootId()

    await done(virtualMachines.pause('web-1'))
    t.is((await virtualMachines.open('web-1')).power, 'paused')
    await t.throwsAsync(virtualMachines.reboot('web-1'), { code: 'PUR_VIRT_POWER' })
    await done(virtualMachines.resume('web-1'))
    await answers('web-1')
    t.is(await bootId(), first)

    const running = await virtualMachines.open('web-1')
    if (running.power !== 'running') return t.fail(running.power)
    await done(running.reboot({ graceSeconds: 60 }))
    await answers('web-1')
    const second = await bootId()
    t.not(second, first)

    await done(virtualMachines.suspend('web-1'))
    await host.killAgent()
    const suspended = await virtualMachines.open('web-1')
    t.is(suspended.resource.spec.powerState, 'suspended')
    await t.throwsAsync(virtualMachines.pause('web-1'), { code: 'PUR_VIRT_POWER' })
    await done(virtualMachines.resume('web-1'))
    await answers('web-1')
    t.is(await bootId(), second, 'it has its memory back')
    await host.killAgent()
    t.is(await bootId(), second, 'it runs on while its agent is killed')

    // The guest powers off by itself: it rests, until somebody wants it started again.
    await guest('web-1', '(sleep 1; /bin/busybox poweroff -f) >/dev/null 2>&1 &').catch(() => '')
    await eventually(
      'it rests',
      async () => reasonOf(await virtualMachines.get('web-1')) === 'Ended',
    )
    await host.killAgent()
    await eventually(
      'it rests',
      async () => reasonOf(await virtualMachines.get('web-1')) === 'Ended',
    )
    await done(virtualMachines.start('web-1'))
    await answers('web-1')
    const third = await bootId()
    // Its process is killed: that is a crash, and it is started at once.
    await host.host.run('pkill', ['--signal', 'KILL', '--exact', 'qemu-system-x86'])
    await eventually('it runs anew', async () => (await bootId()) !== third)

    await done(virtualMachines.stop('web-1', { graceSeconds: 60 }))
    t.is((await virtualMachines.get('web-1')).spec.stopGraceSeconds, 60)
    const stopped = await virtualMachines.open('web-1')
    if (stopped.power !== 'stopped') return t.fail(stopped.power)
    await done(stopped.start())
    // It has only just begun: nobody in it hears the button yet, and the minute is not waited for.
    await done(virtualMachines.destroy('web-1'))
    return t.is((await virtualMachines.open('web-1')).power, 'stopped')
  },
)

function reasonOf({ status }: Resource<'VirtualMachine'>): string | undefined {
  return status.conditions[0]?.reason
}
