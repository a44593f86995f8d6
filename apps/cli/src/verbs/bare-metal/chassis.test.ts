import { metalRoutes } from '../../../tests/bare-metal-samples.ts'
import { testLines } from '../../../tests/shown.ts'

testLines(metalRoutes, [
  'bm chassis list',
  'bm chassis show rack1-u07',
  'bm chassis show rack1-u08',
  'bm chassis show rack1-u08 -o json',
  'bm chassis history rack1-u07',
  'bm chassis history rack1-u07 --console',
  'bm chassis maintenance rack1-u07 on --reason fan',
  'bm chassis maintenance rack1-u07 perhaps',
  'bm chassis verify rack1-u07 --no-wait',
  'bm chassis discover rack1-u07',
  'bm chassis cancel rack1-u07 --no-wait',
  'bm chassis retry rack1-u07 --no-wait',
  'bm chassis rescue rack1-u07',
  'bm chassis rescue rack1-u07 --end --no-wait',
  'bm chassis report rack1-u07',
  'bm chassis report rack1-u07 --all',
  'bm chassis report rack1-u07 newest',
  'bm chassis diff rack1-u07',
  'bm chassis watch rack1-u08',
])
