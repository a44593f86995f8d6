import { systemClock } from '@purlin/base'
import {
  openProbe,
  type ProbeHeard,
  type ProbePath,
  probeMatrix,
  type SwitchDesired,
} from '../../src/index.ts'
import { until } from './host.ts'
import type { RigHost } from './rig.ts'

let runs = 0

/** Probes a switch of hosts as agents do: all listen, all send, all tell, for at most so long as
 *  not every path is reachable. */
export async function probed(
  hosts: readonly RigHost[],
  switches: readonly SwitchDesired[],
  vlans: readonly number[],
  limitMs = 1_500,
): Promise<readonly ProbePath[]> {
  const run = `run-${runs++}`
  const probes = await Promise.all(
    hosts.map(({ databaseSocket, name }, index) => {
      const own = switches[index]
      if (own === undefined) throw new Error(`${name} has a switch`)
      return openProbe({
        ...{ databaseSocket, clock: systemClock, host: name, run, vlans },
        switch: own,
      })
    }),
  )
  const matrix = (): readonly ProbePath[] => {
    const parties = hosts.map(({ name: host }, index) => {
      return { host, uplinks: probes[index]?.uplinks ?? [] }
    })
    const heard = hosts.map(({ name }, index): [string, readonly ProbeHeard[]] => {
      return [name, probes[index]?.heard() ?? []]
    })
    return probeMatrix(vlans, parties, new Map(heard))
  }
  const isWhole = (): boolean => matrix().every(({ state }) => state === 'reachable')
  await Promise.all(probes.map((probe) => probe.send()))
  await until(isWhole, limitMs).catch(() => undefined)
  for (const probe of probes) probe.close()
  return matrix()
}

/** The paths of a state, as `VLAN HOST/UPLINK HOST`. */
export function pathsOf(paths: readonly ProbePath[], state: string): readonly string[] {
  return paths
    .filter((path) => path.state === state)
    .map(({ vlan, from, uplink, to }) => `${vlan} ${from}/${uplink} ${to}`)
}
