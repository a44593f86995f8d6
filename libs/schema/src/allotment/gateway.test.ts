import test from 'ava'
import { gatewayMac } from './gateway.ts'

test('the gateway’s MAC is of the port group’s name alone, and locally administered', (t) => {
  t.is(gatewayMac('prod'), gatewayMac('prod'))
  t.not(gatewayMac('prod'), gatewayMac('test'))
  t.regex(gatewayMac('prod'), /^02(:[0-9a-f]{2}){5}$/)
})
