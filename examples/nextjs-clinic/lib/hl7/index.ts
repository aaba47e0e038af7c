export { buildA04, buildA08, buildR01 } from './build'
export { newControlId } from './control-id'
export type { Assessment, Doctor, Envelope, MessageType, Patient, Visit } from './types'
