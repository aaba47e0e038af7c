'use strict'

// The public door. The names are written out so that Node finds them without running the file
// (`import { enqueueHl7 } from 'hl7-outbox'`), and so that nothing becomes public by accident.
const facade = require('./dist/facade/index.js')

exports.startOutbox = facade.startOutbox
exports.stopOutbox = facade.stopOutbox
exports.stopOnSignals = facade.stopOnSignals
exports.enqueueHl7 = facade.enqueueHl7
exports.enqueueHl7Batch = facade.enqueueHl7Batch
exports.getMessage = facade.getMessage
exports.getMessageContent = facade.getMessageContent
exports.getAttempts = facade.getAttempts
exports.getAnswer = facade.getAnswer
exports.listMessages = facade.listMessages
exports.countMessages = facade.countMessages
exports.getStats = facade.getStats
exports.getHealth = facade.getHealth
exports.getMetrics = facade.getMetrics
exports.backupOutbox = facade.backupOutbox
exports.retryMessages = facade.retryMessages
exports.cancelMessages = facade.cancelMessages
exports.holdMessages = facade.holdMessages
exports.releaseMessages = facade.releaseMessages
exports.resendMessages = facade.resendMessages
exports.replaceMessage = facade.replaceMessage
exports.purgeMessages = facade.purgeMessages
exports.listRefusals = facade.listRefusals
exports.updateRefusal = facade.updateRefusal
exports.pauseDestination = facade.pauseDestination
exports.resumeDestination = facade.resumeDestination
exports.configureDestination = facade.configureDestination
exports.resetDestination = facade.resetDestination
exports.checkHl7 = facade.checkHl7
exports.onStatusChange = facade.onStatusChange
exports.statusChanges = facade.statusChanges
exports.Outbox = facade.Outbox
exports.Hl7OutboxError = facade.Hl7OutboxError
