import { metalRoutes } from '../../../tests/bare-metal-samples.ts'
import { testLines } from '../../../tests/shown.ts'

testLines(metalRoutes, [
  'bm instance list',
  'bm instance plan db-1-metal',
  'bm instance plan db-1-metal --files',
  'bm instance release db-1-metal --erase full --no-wait',
  'bm instance metrics db-1-metal',
  'bm instance metrics db-1-metal --metric node_load1 --since 1h --step 60s',
  'bm instance metrics db-1-metal --since soon',
  'bm template list',
  'bm template check db-server --chassis rack1-u07 --media debian-13',
  'bm media list',
  'bm image list',
  'bm network list',
  'bm network show deploy0',
  'bm network probe deploy0',
  'bm network enrol deploy0',
  'bm get chassis -o yaml',
  'bm task list',
  'bm events --no-follow',
  'bm doctor',
  'get chassis',
  'get media',
  'bm get vm',
])
