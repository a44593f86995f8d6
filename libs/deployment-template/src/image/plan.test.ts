import test from 'ava'
import { mirroredSpec, requestOf, serverSpec } from '../../tests/samples.ts'
import { planImage } from './plan.ts'
import type { ImageStep } from './step.ts'

const image = {
  url: 'http://10.88.0.1:8090/image/debian-13.tar.zst',
  sha256: 'a'.repeat(64),
  packages: 'apt',
  backend: 'networkd',
} as const

function stepsOf(sample: unknown, mode: 'bios' | 'uefi'): readonly ImageStep[] {
  const { spec, layout, inputs } = requestOf('debian-13', sample, mode)
  const plan = planImage(spec, layout, inputs, image)
  return plan.ok ? plan.value.steps : []
}

test('volumes on BIOS: every step of an image deployment in order', (t) => {
  t.snapshot(stepsOf(serverSpec, 'bios'))
})

test('mirrors on UEFI: arrays before groups, groups before file systems, / mounted first', (t) => {
  const steps = stepsOf(mirroredSpec, 'uefi')
  t.snapshot(steps.map((step) => step.do))
  const mounts = steps.flatMap((step) => (step.do === 'mount' ? [step.mount] : []))
  t.deepEqual(mounts, ['/', '/boot', '/srv', '/boot/efi'])
})

test('nothing is written before every disk has been checked', (t) => {
  const order = stepsOf(mirroredSpec, 'uefi').map((step) => step.do)
  t.true(order.lastIndexOf('check-disk') < order.indexOf('wipe-disk'))
  t.is(order.filter((step) => step === 'check-disk').length, 2)
})

test('an image without a checksum is not planned', (t) => {
  const { spec, layout, inputs } = requestOf('debian-13', serverSpec, 'bios')
  const plan = planImage(spec, layout, inputs, { ...image, sha256: '' })
  t.deepEqual(plan.ok ? [] : plan.error.map(({ path }) => path), ['image.sha256'])
})
