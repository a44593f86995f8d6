import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { chooseModules, isWanted, parseDependencies } from './modules.ts'

const DEPENDENCIES = `kernel/drivers/block/virtio_blk.ko:
kernel/drivers/net/ethernet/intel/e1000/e1000.ko.xz:
kernel/drivers/net/ethernet/bnx2x/bnx2x.ko: kernel/lib/libcrc32c.ko kernel/drivers/net/mdio.ko
kernel/drivers/gpu/drm/amd/amdgpu/amdgpu.ko: kernel/drivers/gpu/drm/drm.ko
kernel/fs/xfs/xfs.ko: kernel/lib/libcrc32c.ko
`

test('a module brings those that it needs, and graphics stay behind', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-modules-'))
  t.teardown(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'modules.dep'), DEPENDENCIES)
  const virtual = await chooseModules(folder, 'virtual')
  t.deepEqual(virtual, [
    'kernel/drivers/block/virtio_blk.ko',
    'kernel/drivers/net/ethernet/intel/e1000/e1000.ko.xz',
    'kernel/fs/xfs/xfs.ko',
    'kernel/lib/libcrc32c.ko',
  ])
  const all = await chooseModules(folder, 'all')
  t.true(all.includes('kernel/drivers/net/ethernet/bnx2x/bnx2x.ko'))
  t.true(all.includes('kernel/drivers/net/mdio.ko'))
  t.false(all.some((path) => path.includes('gpu')))
})

test('disks, links and the BMC of servers are in the whole set alone', (t) => {
  for (const path of ['drivers/scsi/megaraid/megaraid_sas.ko', 'drivers/usb/host/xhci-pci.ko']) {
    t.true(isWanted(path, 'all') && !isWanted(path, 'virtual'), path)
  }
  for (const path of ['drivers/char/ipmi/ipmi_si.ko', 'drivers/md/raid456.ko', 'fs/fat/vfat.ko']) {
    t.true(isWanted(path, 'virtual'), path)
  }
})

test('lines of the index without a module are passed over', (t) => {
  t.deepEqual([...parseDependencies('\na.ko: b.ko\n')], [['a.ko', ['b.ko']]])
})
