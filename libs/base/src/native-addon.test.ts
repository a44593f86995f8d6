import test from 'ava'
import { findAddon } from './native-addon.ts'

test('an addon that is nowhere is one sentence with the paths and the command that builds it', (t) => {
  const from = 'file:///none/src/addon.ts'
  const wanted = { purpose: 'erasure coding', library: 'ec-native', binding: 'ec-binding', from }
  const error = t.throws(() => findAddon({ ...wanted, folders: ['../native/', './native/'] }))
  t.like(error, { code: 'PUR_NATIVE_MISSING' })
  t.regex(error?.message ?? '', /^erasure coding: no addon at \/none\/native\/ec-binding\.linux-/)
  t.regex(error?.message ?? '', / or \/none\/src\/native\/ec-binding.*build\.ts ec-native`$/)
})
