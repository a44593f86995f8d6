import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { mirroredSpec, plainSpec, requestOf, serverSpec } from '../../tests/samples.ts'
import { planImage } from './plan.ts'

/** What the discovery system's own tests read whole. */
const file = join(import.meta.dirname, '../../../discovery-system/golden/fixtures/plans.jsonl')

const image = {
  url: 'http://10.88.0.1:8090/image/debian-13.tar.zst',
  sha256: 'a'.repeat(64),
  packages: 'apt',
  backend: 'networkd',
} as const

const samples = { server: serverSpec, mirrored: mirroredSpec, plain: plainSpec }

function plans(): readonly object[] {
  return Object.entries(samples).flatMap(([name, sample]) =>
    (['bios', 'uefi'] as const).map((mode) => {
      const { spec, layout, inputs } = requestOf('debian-13', sample, mode)
      const plan = planImage(spec, layout, inputs, image)
      if (!plan.ok) throw new Error(JSON.stringify(plan.error))
      return { name: `${name} on ${mode}`, order: { order: 'image', steps: plan.value.steps } }
    }),
  )
}

test('the plans that the discovery system’s tests read are those that are made now', async (t) => {
  const text = plans()
    .map((plan) => `${JSON.stringify(plan)}\n`)
    .join('')
  if (process.env.UPDATE_GOLDEN === '1') await writeFile(file, text)
  t.is(await readFile(file, 'utf8'), text, 'run this test with UPDATE_GOLDEN=1')
})
