import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { run } from '@purlin/base'
import { checkManifest, type Manifest } from '@purlin/schema'
import test from 'ava'
import { parseAllDocuments } from 'yaml'
import {
  compileOpenflow,
  compileRuleset,
  desiredOfManifest,
  openflowSwitchesOf,
  renderFlows,
} from '../src/index.ts'
import { host, NFT } from './support/lab.ts'
import { startOvs } from './support/ovs.ts'

const EXAMPLE = fileURLToPath(new URL('../../../examples/three-tier.yaml', import.meta.url))

async function example(): Promise<readonly Manifest[]> {
  const documents = parseAllDocuments(await readFile(EXAMPLE, 'utf8')).map((one) => one.toJS())
  return checkManifest(documents).manifests ?? []
}

test('what is compiled of a manifest is accepted by nft, which is not changed by the check', async (t) => {
  const text = compileRuleset(desiredOfManifest(await example()))
  await run(NFT, ['-c', '-f', '-'], { input: text, timeoutMs: 20_000 })
  t.is(await host(NFT, 'list', 'tables'), '')
})

test('what is compiled of a manifest for Open vSwitch is loaded whole, ports by their names', async (t) => {
  const manifests = await example()
  const desired = desiredOfManifest(manifests)
  const place = openflowSwitchesOf(manifests, desired).get('dvs0')
  if (place === undefined) return t.fail('the manifest has no switch dvs0')
  const { flows } = compileOpenflow(desired, place)
  const ovs = await startOvs()
  try {
    await ovs.vsctl('add-br', 'dvs0', '--', 'set', 'bridge', 'dvs0', 'datapath_type=netdev')
    const plugged = [...place.plugs.values(), ...place.outside].map(({ port }) => String(port))
    for (const name of plugged) {
      await host('ip', 'link', 'add', name, 'type', 'veth')
      await ovs.vsctl('add-port', 'dvs0', name)
    }
    await ovs.ofctl(['del-flows', 'dvs0'])
    await ovs.ofctl(['--bundle', 'add-flows', 'dvs0', '-'], renderFlows(flows))
    const loaded = (await ovs.ofctl(['--no-stats', 'dump-flows', 'dvs0'])).trim().split('\n')
    t.is(loaded.length, flows.length)
  } finally {
    await ovs.stop()
  }
})
