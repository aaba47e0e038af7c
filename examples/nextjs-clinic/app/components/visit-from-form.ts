/** The form as the route wants it. Nothing is checked here: the route is what decides. */
export function visitFromForm(form: FormData) {
  const text = (name: string) => String(form.get(name) ?? '')
  const measured = (name: string) => (text(name) === '' ? undefined : Number(text(name)))
  return {
    schoolId: text('schoolId'),
    reason: text('reason'),
    patient: {
      mrn: text('mrn'),
      familyName: text('familyName'),
      givenName: text('givenName'),
      birthDate: text('birthDate'),
      sex: text('sex'),
    },
    doctor: { id: text('doctorId'), familyName: text('doctorFamilyName'), givenName: text('doctorGivenName') },
    assessment: {
      notes: text('notes'),
      temperatureC: measured('temperatureC'),
      pulsePerMinute: measured('pulsePerMinute'),
      weightKg: measured('weightKg'),
      heightCm: measured('heightCm'),
    },
  }
}
