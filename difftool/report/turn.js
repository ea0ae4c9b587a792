// Draws balls and sticks on every canvas.scene, and turns them: by itself, by dragging, by arrow keys.
"use strict";
for (const canvas of document.querySelectorAll("canvas.scene")) {
  const scene = JSON.parse(canvas.dataset.scene), pen = canvas.getContext("2d");
  const count = Math.max(1, scene.balls.length);
  const mid = [0, 1, 2].map(axis => scene.balls.reduce((sum, ball) => sum + ball[axis], 0) / count);
  const at = scene.balls.map(ball => [0, 1, 2].map(axis => ball[axis] - mid[axis]));
  const reach = Math.max(1e-6, ...scene.balls.map((ball, i) => Math.hypot(...at[i]) + ball[3]));
  const size = canvas.width, scale = 0.47 * size / reach;
  let turn = [[1, 0, 0], [0, 1, 0], [0, 0, 1]], spinning = !matchMedia("(prefers-reduced-motion: reduce)").matches;

  // the rotation by an angle about the axis 0 (across) or 1 (up), after what was turned before
  function rotate(axis, angle) {
    const c = Math.cos(angle), s = Math.sin(angle), [i, j] = axis ? [2, 0] : [1, 2];
    const next = turn.map(row => row.slice());
    for (let k = 0; k < 3; k++) {
      next[i][k] = c * turn[i][k] - s * turn[j][k];
      next[j][k] = s * turn[i][k] + c * turn[j][k];
    }
    turn = next;
  }
  function draw() {
    const seen = at.map(p => turn.map(row => row[0] * p[0] + row[1] * p[1] + row[2] * p[2]));
    const x = i => size / 2 + scale * seen[i][0], y = i => size / 2 - scale * seen[i][1];
    const things = scene.balls.map((ball, i) => [seen[i][2], () => {
      const r = scale * ball[3], light = pen.createRadialGradient(x(i) - r / 3, y(i) - r / 3, r / 10, x(i), y(i), r);
      light.addColorStop(0, "#fff"); light.addColorStop(0.35, scene.colours[i]); light.addColorStop(1, "#222");
      pen.fillStyle = light; pen.beginPath(); pen.arc(x(i), y(i), r, 0, 7); pen.fill();
    }]);
    for (const [i, j, strands] of scene.sticks) {
      const long = Math.hypot(x(j) - x(i), y(j) - y(i)) || 1, gap = 0.16 * scale;
      const across = [-(y(j) - y(i)) / long, (x(j) - x(i)) / long];
      things.push([(seen[i][2] + seen[j][2]) / 2, () => {
        for (let k = 0; k < strands; k++) {
          const off = gap * (k - (strands - 1) / 2), mx = (x(i) + x(j)) / 2, my = (y(i) + y(j)) / 2;
          for (const [end, colour] of [[i, scene.colours[i]], [j, scene.colours[j]]]) {
            pen.strokeStyle = "#555"; pen.lineWidth = scale * (strands > 1 ? 0.13 : 0.2); pen.lineCap = "butt";
            for (const shade of ["#555", colour]) {
              pen.strokeStyle = shade; pen.beginPath();
              pen.moveTo(mx + off * across[0], my + off * across[1]); pen.lineTo(x(end) + off * across[0], y(end) + off * across[1]); pen.stroke();
              pen.lineWidth *= 0.7;
            }
          }
        }
      }]);
    }
    pen.clearRect(0, 0, size, size);
    things.sort((a, b) => a[0] - b[0]).forEach(thing => thing[1]());
  }
  let last = null, before = 0;
  canvas.onpointerdown = event => { spinning = false; last = [event.clientX, event.clientY]; canvas.setPointerCapture(event.pointerId); };
  canvas.onpointerup = () => { last = null; };
  canvas.onpointermove = event => {
    if (!last) return;
    rotate(1, (event.clientX - last[0]) / 90); rotate(0, (event.clientY - last[1]) / 90);
    last = [event.clientX, event.clientY]; draw();
  };
  canvas.onkeydown = event => {
    const way = { ArrowLeft: [1, -0.2], ArrowRight: [1, 0.2], ArrowUp: [0, -0.2], ArrowDown: [0, 0.2] }[event.key];
    if (way) { spinning = false; rotate(...way); draw(); event.preventDefault(); event.stopPropagation(); }
  };
  function spin(now) {
    if (!spinning) return;
    const box = canvas.getBoundingClientRect(), visible = box.bottom > 0 && box.top < innerHeight && box.width;
    if (visible && now - before > 40) { rotate(1, 0.03); before = now; draw(); }
    requestAnimationFrame(spin);
  }
  rotate(1, 0.5); rotate(0, 0.35); draw(); requestAnimationFrame(spin);
}
