import { PurlinError } from '@purlin/base'
import test from 'ava'
import { addonPath, loadAddon } from './addon.ts'

test('a package names its addon by the environment', (t) => {
  t.is(addonPath({ PURLIN_VIRT_ADDON: '/usr/lib/purlin/virt.node' }), '/usr/lib/purlin/virt.node')
})

test('else it is looked for beside the sources, and where it is missing the command to build it is told', (t) => {
  const found = ((): string => {
    try {
      return addonPath({})
    } catch (thrown) {
      return thrown instanceof PurlinError ? thrown.message : ''
    }
  })()
  t.regex(found, /\/libs\/virt\/native\/virt-binding\.linux-.*-gnu\.node/)
})

test('an addon that is not there is one sentence', (t) => {
  const error = t.throws(() => loadAddon('/nowhere/virt.node'), { instanceOf: PurlinError })
  t.is(error?.code, 'PUR_NATIVE_MISSING')
  t.regex(error?.message ?? '', /^libvirt: loading the addon \/nowhere\/virt\.node: .*build it/)
})
