import { run } from '@purlin/base'
import {
  compileOpenflow,
  compileRuleset,
  desiredOfManifest,
  type NetfilterDesired,
} from '@purlin/netfilter'
import { allotPorts, devicesOf, type Manifest, type PortSpec } from '@purlin/schema'
import {
  createVswitchDriver,
  outsideOf,
  type PortDesired,
  type VswitchDesired,
} from '@purlin/vswitch'
import { z } from 'zod'
import { quantile } from '../quantile.ts'
import type { SwitchFindings } from './findings.ts'
import { Namespace } from './namespace.ts'
import { settle } from './ports.ts'

const SECONDS = 2
const PORT = 5201
const COMMAND_DEADLINE_MS = 30_000
const PATHS = ['filterable', 'direct'] as const
type Path = (typeof PATHS)[number]

const iperfAnswer = z.object({
  end: z.object({
    sum_received: z.object({ bits_per_second: z.number() }),
    cpu_utilization_percent: z.object({ host_total: z.number(), remote_total: z.number() }),
  }),
})

/** TCP between two machines of a group, filtered by nftables on a bridge of their own and by flows
 *  of the switch, by turns: each path has a switch, two machines and the same rules. */
export async function measureThroughput(
  socket: string,
  runFolder: string,
  rounds: number,
): Promise<SwitchFindings['throughput']> {
  const driver = createVswitchDriver({ databaseSocket: socket, runFolder, datapath: 'netdev' })
  const scenes = PATHS.map(sceneOf)
  const machines: Namespace[] = []
  try {
    const wanted: VswitchDesired = {
      switches: scenes.map(({ name }) => ({ name, mtu: 1500, uplinks: [] })),
      portGroups: [],
      ports: scenes.flatMap(({ ports }) => ports),
      directFlows: Object.fromEntries(
        scenes.flatMap((scene) => (scene.path === 'direct' ? [[scene.name, flowsOf(scene)]] : [])),
      ),
    }
    const filtered = scenes.find(({ path }) => path === 'filterable')
    const ruleset = filtered === undefined ? '' : compileRuleset(filtered.policy)
    await run('nft', ['-f', '-'], { timeoutMs: COMMAND_DEADLINE_MS, input: ruleset })
    await settle(driver, wanted)
    const results = new Map(PATHS.map((path) => [path, { rates: [], cpu: [] } as Measured]))
    for (const { path, ports, specs } of scenes) {
      for (const [index, port] of ports.entries()) {
        const machine = await Namespace.make()
        machines.push(machine)
        await machine.plug(port.devices, port.mac, specs[index]?.ipv4[0] ?? '', path)
      }
    }
    // Flows name ports by their numbers, which direct ones have once their taps are there.
    await settle(driver, wanted)
    for (const machine of machines) {
      await machine.run('iperf3', ['--server', '--daemon', '--port', String(PORT)])
    }
    for (let round = 0; round < rounds; round++) {
      for (const [index, { path, specs }] of scenes.entries()) {
        const client = machines[index * 2]
        if (client === undefined) continue
        const words = ['--client', specs[1]?.ipv4[0] ?? '', '--port', String(PORT), '--json']
        const { stdout } = await client.run('iperf3', [...words, '--time', String(SECONDS)])
        const { sum_received, cpu_utilization_percent: cpu } = iperfAnswer.parse(
          JSON.parse(stdout),
        ).end
        results.get(path)?.rates.push(sum_received.bits_per_second / 1e6)
        results.get(path)?.cpu.push(cpu.host_total + cpu.remote_total)
      }
    }
    return [...results].map(([path, { rates, cpu }]) => ({
      path,
      megabitPerSecond: Math.round(quantile(rates, 0.5)),
      cpuPercent: Math.round(quantile(cpu, 0.5)),
    }))
  } finally {
    for (const machine of machines) machine.end()
    driver.close()
  }
}

interface Measured {
  readonly rates: number[]
  readonly cpu: number[]
}

interface Scene {
  readonly path: Path
  readonly name: string
  readonly policy: NetfilterDesired
  readonly specs: readonly PortSpec[]
  readonly ports: readonly PortDesired[]
}

function sceneOf(path: Path): Scene {
  const name = `dvs-${path}`.slice(0, 15)
  const machineOf = (index: number): Manifest =>
    ({
      kind: 'VirtualMachine',
      name: `${path}-${index}`,
      spec: {
        ...{ cpus: 1, memoryMiB: 128, image: 'none', powerState: 'running' },
        disks: [],
        nics: [
          {
            ...{ name: 'eth0', portGroup: path, securityGroups: [path], allowUnfiltered: false },
            ...{ defaultPolicy: {}, allowedAddresses: [], addresses: [`10.60.0.${index + 10}`] },
            guards: {
              ...{ mac: true, ipv4Source: true, ipv6Source: true, arp: true },
              ...{ neighbourAdvertisement: true, router: true, dhcpServer: true },
            },
            alwaysOpen: {
              ...{ dhcpRequests: true, dhcpAnswers: true, routerAdvertisements: true },
              ...{ neighbourDiscovery: true, icmpErrors: true },
            },
          },
        ],
      },
    }) as Manifest
  const manifests: readonly Manifest[] = [
    {
      kind: 'PortGroup',
      name: path,
      spec: { switch: name, vlan: 100, subnets: [{ cidr: '10.60.0.0/24' }] },
    },
    {
      kind: 'SecurityGroup',
      name: path,
      spec: { allowWithinGroup: true, keepEstablished: false, inbound: [], outbound: [] },
    },
    machineOf(0),
    machineOf(1),
  ] as readonly Manifest[]
  const machines = manifests.filter((one) => one.kind === 'VirtualMachine')
  const portGroups = new Map(
    manifests.flatMap((one) => (one.kind === 'PortGroup' ? [[one.name, one.spec] as const] : [])),
  )
  const specs = [...allotPorts({ machines, portGroups, existing: new Map() })]
  return {
    path,
    name,
    policy: desiredOfManifest(manifests),
    specs: specs.map(([, spec]) => spec),
    ports: specs.map(([port, spec]) => ({
      ...{ port, portGroup: path, switch: name, vlan: 100, trunk: [], mac: spec.mac, mtu: 1500 },
      ...{ devices: devicesOf(spec.deviceKey), path },
    })),
  }
}

function flowsOf({ name, policy, ports }: Scene) {
  const plugs = ports.map(({ port, devices, vlan }) => [port, { port: devices.tap, vlan }] as const)
  const outside = [{ port: outsideOf(name) }]
  return compileOpenflow(policy, { plugs: new Map(plugs), outside }).flows
}
