import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError } from '@purlin/base'
import { checkDocument, discoveryReport, type Manifest } from '@purlin/schema'
import { readManifest } from '@purlin/sdk'
import test from 'ava'
import { planRehearsal, REHEARSAL_SECRET } from './rehearsal-plan.ts'

const EXAMPLE = join(import.meta.dirname, '../../../examples/bare-metal.yaml')

async function example(): Promise<readonly Manifest[]> {
  const { documents } = readManifest(await readFile(EXAMPLE, 'utf8'), 'bare-metal.yaml')
  return documents.flatMap(({ value }) => checkDocument(value).manifest ?? [])
}

test('what is rehearsed is the example’s own installation, with another BMC', async (t) => {
  const manifests = await example()
  const plan = planRehearsal(manifests, { template: 'db-server' }, '/p')
  const find = (kind: string): Manifest | undefined =>
    plan.documents.find((document) => document.kind === kind)
  for (const kind of ['DeploymentNetwork', 'DeploymentTemplate', 'InstallMedia'] as const) {
    t.deepEqual(
      find(kind),
      manifests.find((document) => document.kind === kind),
    )
  }
  t.like(find('Chassis'), {
    name: 'rack1-u07',
    spec: {
      bootMac: '52:54:00:88:00:07',
      bmc: { protocol: 'ipmi', address: '127.0.0.1', secret: REHEARSAL_SECRET },
    },
  })
  t.deepEqual(
    plan.documents.filter(({ kind }) => kind === 'Secret').map(({ name }) => name),
    [REHEARSAL_SECRET],
    'the real password is not taken along',
  )
  t.like(plan, { bridge: 'deploy0', address: '10.88.0.1/24', firmware: 'bios', installs: 'media' })
})

test('a template that no instance uses gets a chassis, and its source must be said', async (t) => {
  const manifests = (await example()).filter(({ kind }) => kind !== 'BareMetalInstance')
  const wish = { template: 'db-server' }
  t.throws(() => planRehearsal(manifests, wish, '/p'), {
    instanceOf: PurlinError,
    message: /say --image or --media/,
  })
  const plan = planRehearsal(manifests, { ...wish, source: { media: 'debian-13' } }, '/p')
  t.is(plan.chassis, 'rehearsal')
  t.is(plan.bootMac, '52:54:00:88:00:07', 'a card that the template names')
})

test('the hardware of a report is that of the chassis where the manifest has none for the template', async (t) => {
  const manifests = (await example()).filter(({ kind }) => kind !== 'BareMetalInstance')
  const wish = { template: 'db-server', source: { media: 'debian-13' } }
  const like = discoveryReport.parse({
    version: 1,
    system: {},
    firmware: { mode: 'uefi' },
    cpu: { architecture: 'x86_64', sockets: [{ model: 'CPU', cores: 4, threads: 8 }] },
    memory: { sizeMiB: 4_096 },
    disks: [],
    nics: [{ name: 'eth0', mac: '52:54:00:88:00:31', link: true }],
  })
  const plan = planRehearsal(manifests, wish, '/p', like)
  t.like(plan, { chassis: 'rehearsal', bootMac: '52:54:00:88:00:31', firmware: 'uefi' })
})

test('an installer has the memory that its maker asks for', async (t) => {
  const manifests = await example()
  const memoryOf = (family: string, version: string): number => {
    const media = { kind: 'InstallMedia', name: 'os', spec: { family, version, iso: './os.iso' } }
    const { manifest } = checkDocument(media)
    const wish = { template: 'db-server', source: { media: 'os' } }
    return planRehearsal([...manifests, ...(manifest ? [manifest] : [])], wish, '/p').memoryMiB
  }
  t.is(memoryOf('debian', '13'), 1_536)
  t.is(memoryOf('rocky', '9'), 3_072)
  t.is(memoryOf('ubuntu', '24.04'), 8_192)
  t.is(memoryOf('sles', '16'), 4_096)
})

test('what the manifest lacks is told by its kind and name', async (t) => {
  const manifests = await example()
  t.throws(() => planRehearsal(manifests, { template: 'web' }, '/p'), {
    message: 'rehearse: the manifest has no DeploymentTemplate web',
  })
  const wish = { template: 'db-server', source: { image: 'trixie' } }
  t.throws(() => planRehearsal(manifests, wish, '/p'), {
    message: 'rehearse: the manifest has no Image trixie',
  })
})
