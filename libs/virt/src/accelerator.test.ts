import { PurlinError, type Run } from '@purlin/base'
import test from 'ava'
import { probeAccelerator } from './accelerator.ts'

const kernel = '/images/vmlinux'
const failing =
  (code: PurlinError['code'], message: string): Run =>
  async () => {
    throw new PurlinError(code, { message })
  }

test('a kernel that speaks is the only proof of KVM', async (t) => {
  let seen: readonly string[] = []
  const run: Run = async (_program, args) => {
    seen = args
    return { stdout: '[    0.000000] Linux version 6.1\n', stderr: '', exitCode: 0 }
  }
  t.is((await probeAccelerator({ run, kernel })).kind, 'kvm')
  t.deepEqual(seen.slice(0, 2), ['-accel', 'kvm'])
  t.true(seen.includes(kernel))
})

test('QEMU that ends in peace without a word of the kernel is none', async (t) => {
  const run: Run = async () => ({ stdout: '', stderr: '', exitCode: 0 })
  t.is((await probeAccelerator({ run, kernel })).kind, 'tcg')
})

test('QEMU that aborts is TCG, and the reason is its own word', async (t) => {
  const run = failing(
    'PUR_EXEC_FAILED',
    'qemu -accel kvm: ended with 134: error: failed to set MSR 0x10a to 0x0',
  )
  t.deepEqual(await probeAccelerator({ run, kernel }), {
    kind: 'tcg',
    reason: 'QEMU ended with 134: error: failed to set MSR 0x10a to 0x0',
  })
})

test('a kernel that stands still is TCG', async (t) => {
  const run = failing('PUR_EXEC_TIMEOUT', 'qemu: did not end within 3000 ms and was killed')
  t.deepEqual(await probeAccelerator({ run, kernel }), {
    kind: 'tcg',
    reason: 'a kernel did not boot within 3000 ms with kvm',
  })
})

test('no QEMU is TCG with the advice to install it', async (t) => {
  const run = failing('PUR_EXEC_NOT_FOUND', 'qemu: not found; install the package that carries it')
  t.regex((await probeAccelerator({ run, kernel })).reason, /not found; install/)
})
