// The reward after each epoch, for completed and for stopped trainings.

function drawCurves() {
  const { total, shown: curves } = data.curves;
  if (curves.length === 0) {
    byId('curves').hidden = true;
    return;
  }
  const stopped = curves.filter(([, early]) => early).length;
  byId('curves-note').textContent = `The reward after each epoch${total > curves.length ? `, of ${formatCount(curves.length)} of ${formatCount(total)} trainings` : ''}.` +
    (stopped > 0 ? ' Trainings that fell behind others of similar cost were stopped early.' : '');
  const points = curves.flatMap(([, , each]) => each);
  const visit = (X, Y) => (report) => curves.forEach(([number, , each]) => each.forEach(([epoch, reward]) => report(number, X(epoch), Y(reward))));
  chosen.listeners.push(chart(byId('curves-chart'), {
    title: `Learning curves of ${curves.length} trainings`, xName: 'epoch', yName: data.reward, ratio: 0.5,
    x: { domain: [0.5, highest(points.map(([epoch]) => epoch)) + 0.5] }, y: { domain: padded(extent(points.map(([, reward]) => reward))) },
    xTicks: (room) => roundTicks([1, Math.max(2, highest(points.map(([epoch]) => epoch)))], room).filter(Number.isInteger).map((tick) => [tick, tick]),
    draw({ context, X, Y }) {
      const line = (each) => {
        context.beginPath();
        each.forEach(([epoch, reward], at) => (at === 0 ? context.moveTo(X(epoch), Y(reward)) : context.lineTo(X(epoch), Y(reward))));
        context.stroke();
      };
      for (const [number, early, each] of curves) {
        context.strokeStyle = color(early ? 'faint' : onFrontier.has(number) ? 'accent' : 'mark');
        context.globalAlpha = onFrontier.has(number) ? 1 : 0.35;
        context.lineWidth = onFrontier.has(number) ? 2 : 1.2;
        context.setLineDash(early ? [3, 3] : []);
        line(each);
      }
      const picked = curves.find(([number]) => number === chosen.number);
      context.globalAlpha = 1;
      context.setLineDash([]);
      if (picked) {
        context.strokeStyle = color('ink');
        context.lineWidth = 3;
        line(picked[2]);
      }
    },
    ...candidateHandlers(visit),
  }));
  byId('curves-legend').replaceChildren(
    element('li', {}, element('i', { class: 'swatch', style: 'border-color: var(--accent)' }), 'on the frontier'),
    element('li', {}, element('i', { class: 'swatch', style: 'border-color: var(--mark)' }), 'others'),
    ...(stopped > 0 ? [element('li', {}, element('i', { class: 'swatch dashed', style: 'border-color: var(--faint)' }), 'stopped early')] : []));
}
