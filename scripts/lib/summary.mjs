/** The p-th percentile by the nearest rank. */
export function percentile(values, p) {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)]
}

/**
 * Compares, per patient, the order in which visits were saved with the order in which the receiver took their messages. A
 * message that came twice counts where it came first. `saved`: patient → control ids; `received`: the receiver's list.
 */
export function compareOrder(saved, received) {
  const wrong = []
  for (const [patient, expected] of saved) {
    const arrived = [...new Set(received.filter((each) => each.patient === patient && each.taken).map((each) => each.controlId))]
    if (arrived.join() !== expected.join()) wrong.push({ patient, expected, arrived })
  }
  return wrong
}
