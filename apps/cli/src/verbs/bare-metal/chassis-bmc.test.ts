import { metalRoutes } from '../../../tests/bare-metal-samples.ts'
import { testLines } from '../../../tests/shown.ts'

testLines(metalRoutes, [
  'bm chassis power rack1-u07',
  'bm chassis power rack1-u07 soft --deadline 60 --otherwise off',
  'bm chassis power rack1-u07 on --deadline 60',
  'bm chassis power rack1-u07 explode',
  'bm chassis boot rack1-u07',
  'bm chassis boot rack1-u07 pxe --lasting',
  'bm chassis boot rack1-u07 clear',
  'bm chassis boot rack1-u07 floppy',
  'bm chassis sensors rack1-u07',
  'bm chassis units rack1-u07',
  'bm chassis log rack1-u07',
  'bm chassis log rack1-u07 --clear',
  'bm chassis hardware rack1-u07',
  'bm chassis identity rack1-u07',
  'bm chassis console rack1-u07 --no-follow',
  'bm chassis console rack1-u07 --no-follow -o json',
])
