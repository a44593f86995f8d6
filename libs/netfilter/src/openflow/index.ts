export {
  compileOpenflow,
  type OpenflowPlug,
  type OpenflowRuleset,
  type OpenflowSwitch,
} from './compile-openflow.ts'
export type { OutsidePort } from './dispatch.ts'
export type { Flow, FlowAction, SwitchPortName } from './flow.ts'
export { flowText, renderFlows } from './render.ts'
