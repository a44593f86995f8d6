import test from 'ava'
import { done, machineDocument, startMachineHost } from './machine-host.ts'
import { eventually } from './volume-host.ts'

const TEST_LIMIT_MS = 120_000

test('what a running machine uses is seen, and one beyond the host is refused with the figures', async (t) => {
  t.timeout(TEST_LIMIT_MS)
  await using host = await startMachineHost()
  const { client } = host
  const [{ name = '', spec } = {}] = await client.resources('Host').list()
  const { cpus = 0, memoryMiB = 0, cpuRatio = 0 } = spec?.capacity ?? {}
  t.true(cpus > 0 && memoryMiB > 0)

  const tooLarge = machineDocument('large', { memoryMiB: memoryMiB - 511 })
  const refused = await t.throwsAsync(client.apply([tooLarge]), { code: 'PUR_HOST_CAPACITY' })
  t.regex(refused?.message ?? '', new RegExp(`${memoryMiB - 511} MiB of memory, .* limit is`))
  // What is off needs nothing of the host; its start is judged as well.
  const wide = machineDocument('wide', { cpus: cpus * cpuRatio, powerState: 'stopped' })
  await done(client.apply([machineDocument('web-1'), wide]))
  await t.throwsAsync(client.virtualMachines.start('wide'), { code: 'PUR_HOST_CAPACITY' })

  await eventually('the guest is seen to work', async () => {
    const { machines, unmeasured } = await client.pool.show()
    const web = machines.find((machine) => machine.name === 'web-1')
    if (unmeasured !== undefined || web === undefined) return false
    return web.active && web.cpusUsed > 0 && web.memoryUsedMiB > 10 && web.memoryMiB === 128
  })
  const { fleet, hosts, machines } = await client.pool.show()
  t.like(fleet, { hosts: 1, machines: 2, activeMachines: 1 })
  t.like(hosts[0], { host: name, cpus: { reserved: 1 }, memoryMiB: { reserved: 128 } })
  t.true((hosts[0]?.use?.cpus ?? 0) > 0)
  t.deepEqual(
    machines.map((machine) => [machine.name, machine.active, machine.foreign]),
    [
      ['web-1', true, false],
      ['wide', false, false],
    ],
  )
  const seen = await client.resources('Host').get(name)
  t.like(seen.status.pool, { host: name, activeMachines: 1 })

  const hardware = await client.pool.hardware(name)
  t.is(hardware.cpu.threads, cpus)
  const metrics = await client.metrics()
  t.regex(metrics, /^libvirt_domain_info_cpu_time_seconds_total\{domain="web-1"\} [\d.]+$/m)
  t.regex(metrics, /^node_cpu_seconds_total\{cpu="0",mode="user"\} [\d.]+$/m)
  t.regex(metrics, /^purlin_pool_memory_bytes\{host="[^"]+",figure="reserved"\} 134217728$/m)

  const fromMs = Date.now() - 600_000
  await eventually('the day has begun', async () => {
    const { samples } = await client.pool.history('host', name, { fromMs, stepMs: 1_000 })
    return (samples[0]?.memoryMiB ?? 0) > 0
  })
})
