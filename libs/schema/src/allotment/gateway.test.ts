import test from 'ava'
import { gatewayMac, hostGatewayMac, routerDevice, routerMac, serviceDevice } from './gateway.ts'

test('the gateway’s MAC is of the port group’s name alone, and locally administered', (t) => {
  t.is(gatewayMac('prod'), gatewayMac('prod'))
  t.not(gatewayMac('prod'), gatewayMac('test'))
  t.regex(gatewayMac('prod'), /^02(:[0-9a-f]{2}){5}$/)
})

test('the service’s device is of the port group’s name alone, and fits the kernel', (t) => {
  t.is(serviceDevice('prod'), serviceDevice('prod'))
  t.not(serviceDevice('prod'), serviceDevice('test'))
  t.true(serviceDevice('x'.repeat(63)).length <= 15)
})

test('what is seen on the wire between hosts has a MAC for each host', (t) => {
  t.not(routerMac('edge', 'one'), routerMac('edge', 'two'))
  t.not(hostGatewayMac('prod', 'one'), hostGatewayMac('prod', 'two'))
  t.not(hostGatewayMac('prod', 'one'), hostGatewayMac('test', 'one'))
  t.is(hostGatewayMac('prod', 'one'), hostGatewayMac('prod', 'one'))
  t.true(routerDevice('x'.repeat(63)).length <= 15)
})
