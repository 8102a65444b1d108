/*<![CDATA[*/
(function () {
  'use strict';
  var d = document, form = d.getElementById('filters'), shown = d.getElementById('shown');
  var all = function (query, from) { return Array.prototype.slice.call((from || d).querySelectorAll(query)); };
  var VERDICTS = ['fail', 'unknown', 'pending', 'waived', 'pass'];

  // Every group, place and finding is looked up once.
  var groups = all('.r').map(function (el) {
    return {
      el: el, rule: el.dataset.r, severity: el.dataset.s, passed: el.querySelector('.ok'), passes: all('.ok li[data-u]', el),
      places: all('.p', el).map(function (place) {
        return { el: place, at: place.dataset.u, findings: all('.f', place).map(function (f) { return { el: f, verdict: f.classList[1], text: null }; }) };
      })
    };
  });
  var rules = form.elements.r, subscriptions = form.elements.u, text = form.elements.q;
  groups.map(function (g) { return g.rule; }).filter(function (r, at, list) { return list.indexOf(r) === at; }).sort().forEach(function (rule) {
    var option = d.createElement('option');
    option.value = option.textContent = rule;
    rules.append(option);
  });

  function checked(name) {
    return all('input[name=' + name + ']:checked', form).map(function (box) { return box.value; });
  }

  function says(finding, words) {
    if (finding.text === null) finding.text = finding.el.textContent.toLowerCase();
    return words.every(function (word) { return finding.text.includes(word); });
  }

  function apply() {
    var v = checked('v'), s = checked('s'), r = rules.value, u = subscriptions.value;
    var words = text.value.toLowerCase().split(/\s+/).filter(Boolean), n = 0, total = 0;
    var narrowed = v.length || u !== '' || words.length;
    groups.forEach(function (g) {
      var fits = (!s.length || s.includes(g.severity)) && (r === '' || r === g.rule), left = 0;
      g.places.forEach(function (place) {
        var here = fits && (u === '' || u === place.at), seen = 0;
        place.findings.forEach(function (f) {
          var ok = here && (!v.length || v.includes(f.verdict)) && (!words.length || says(f, words));
          f.el.hidden = !ok;
          total += 1;
          seen += ok ? 1 : 0;
        });
        place.el.hidden = !seen;
        left += seen;
      });
      n += left;
      if (g.passed) {
        var passes = 0;
        g.passes.forEach(function (li) {
          var ok = (u === '' || u === li.dataset.u) && words.every(function (word) { return li.textContent.toLowerCase().includes(word); });
          li.hidden = !ok;
          passes += ok ? 1 : 0;
        });
        g.passed.hidden = !(fits && (!v.length || v.includes('pass')) && (passes || (u === '' && !words.length)));
        if (!g.passed.hidden && (v.includes('pass') || (narrowed && passes && !v.length))) left += 1;
      }
      g.el.hidden = !(fits && (left || !narrowed));
    });
    shown.textContent = n + ' of ' + total + ' findings shown';
  }

  // The state stands in the fragment: #?v=fail,unknown&s=high&r=RULE&u=Subscription&q=text
  function write() {
    var parts = [];
    var add = function (key, value) { if (value) parts.push(key + '=' + encodeURIComponent(value)); };
    add('v', checked('v').join(','));
    add('s', checked('s').join(','));
    add('r', rules.value);
    add('u', subscriptions.value === '' ? '' : subscriptions.selectedOptions[0].textContent);
    add('q', text.value);
    history.replaceState(null, '', parts.length ? '#?' + parts.join('&') : '#findings');
  }

  function read(fragment) {
    var state = new URLSearchParams(fragment);
    var list = function (key) { return (state.get(key) || '').split(','); };
    ['v', 's'].forEach(function (name) {
      all('input[name=' + name + ']', form).forEach(function (box) { box.checked = list(name).includes(box.value); });
    });
    rules.value = state.get('r') || '';
    if (rules.selectedIndex === -1) rules.value = '';
    var wanted = state.get('u') || '';
    subscriptions.value = '';
    Array.prototype.forEach.call(subscriptions.options, function (option) {
      if (option.value !== '' && option.textContent === wanted) subscriptions.value = option.value;
    });
    text.value = state.get('q') || '';
    apply();
  }

  function reset() {
    all('input[type=checkbox]', form).forEach(function (box) { box.checked = false; });
    rules.value = subscriptions.value = text.value = '';
  }

  function go() {
    var fragment = location.hash.slice(1);
    if (fragment.charAt(0) === '?') {
      read(fragment.slice(1));
      d.getElementById('findings').scrollIntoView();
      return;
    }
    var target = fragment && d.getElementById(fragment);
    if (!target) return;
    if (target.closest('[hidden]')) {
      reset();
      apply();
    }
    if (target.tagName === 'DETAILS') {
      target.open = true;
      target.querySelector('summary').focus({ preventScroll: true });
    }
    target.scrollIntoView();
  }

  var waiting = 0;
  form.addEventListener('input', function () {
    clearTimeout(waiting);
    waiting = setTimeout(function () { apply(); write(); }, 80);
  });
  form.addEventListener('submit', function (event) { event.preventDefault(); });
  form.addEventListener('reset', function (event) { event.preventDefault(); reset(); apply(); write(); });
  d.getElementById('open-all').addEventListener('click', function () {
    all('.f').forEach(function (f) { if (!f.closest('[hidden]')) f.open = true; });
  });
  d.getElementById('close-all').addEventListener('click', function () { all('.f').forEach(function (f) { f.open = false; }); });
  window.addEventListener('hashchange', go);

  // Tables are sorted by the buttons in their heads.
  all('table.sortable').forEach(function (table) {
    all('thead th', table).forEach(function (th, at) {
      var button = d.createElement('button');
      button.type = 'button';
      button.append.apply(button, Array.prototype.slice.call(th.childNodes));
      th.append(button);
      button.addEventListener('click', function () {
        var up = th.getAttribute('aria-sort') !== 'ascending', body = table.tBodies[0];
        var key = function (row) {
          var cell = row.cells[at], value = cell.dataset.n || cell.textContent.trim();
          return /^-?\d+$/.test(value) ? Number(value) : value.toLowerCase();
        };
        var rows = Array.prototype.slice.call(body.rows).map(function (row, place) { return { row: row, key: key(row), place: place }; });
        rows.sort(function (a, b) {
          var order = typeof a.key === typeof b.key ? (a.key < b.key ? -1 : a.key > b.key ? 1 : 0) : typeof a.key === 'number' ? -1 : 1;
          return (up ? order : -order) || a.place - b.place;
        });
        all('thead th', table).forEach(function (other) { other.removeAttribute('aria-sort'); });
        th.setAttribute('aria-sort', up ? 'ascending' : 'descending');
        rows.forEach(function (entry) { body.append(entry.row); });
      });
    });
  });

  form.hidden = false;
  apply();
  go();
})();
/*]]>*/
