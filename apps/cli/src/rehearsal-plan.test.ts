import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError } from '@purlin/base'
import { checkDocument, type Manifest } from '@purlin/schema'
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
