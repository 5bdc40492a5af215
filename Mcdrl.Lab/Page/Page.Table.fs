namespace Mcdrl

open System.Globalization
open Giraffe.ViewEngine

/// A cell of a table: what it says, smaller words under it, and the number by which a column is sorted.
type internal PageCell =
    {
        Text: string
        Note: string
        Value: float option
        Strong: bool
    }

[<RequireQualifiedAccess>]
module internal PageCell =
    let text words =
        {
            Text = words
            Note = ""
            Value = None
            Strong = false
        }

    let number (value: float option) words = { text words with Value = value }

/// Tables that a script lets readers sort; without it they are plain tables.
[<RequireQualifiedAccess>]
module internal PageTable =
    /// A heading; words in small letters under it where they are given.
    let private heading (name: string, note: string) =
        th
            [ attr "scope" "col" ]
            [
                span [] [ str name ]
                if note <> "" then
                    small [] [ str note ]
            ]

    let private cell (cell: PageCell) =
        td
            [
                match cell.Value with
                | Some value -> attr "data-value" (value.ToString("R", CultureInfo.InvariantCulture))
                | None -> ()

                if cell.Strong then
                    _class "better"
            ]
            [
                str cell.Text
                if cell.Note <> "" then
                    small [] [ str cell.Note ]
            ]

    /// A table in a box of its own that moves sideways where the window is narrow. A row is its name and its cells.
    let sortable (headings: (string * string) list) (rows: (string * PageCell list) list) =
        div
            [
                _class "wide"
                attr "tabindex" "0"
                attr "role" "group"
                attr "aria-label" "table"
            ]
            [
                table
                    [ _class "data sortable" ]
                    [
                        thead [] [ tr [] (List.map heading headings) ]
                        tbody
                            []
                            [
                                for name, cells in rows do
                                    tr
                                        []
                                        [ th [ attr "scope" "row" ] [ str name ]; yield! List.map cell cells ]
                            ]
                    ]
            ]

    /// Puts a button into each heading. It sorts by the column, numbers from the highest and names from A; then the
    /// other way round; then as it was. What has no number stays last.
    let private source =
        """
document.querySelectorAll('table.sortable').forEach(function (table) {
  var body = table.tBodies[0], rows = Array.from(body.rows), heads = Array.from(table.tHead.rows[0].cells);
  function key(row, column) {
    var cell = row.cells[column];
    if (cell.tagName === 'TH') return cell.textContent;
    return cell.hasAttribute('data-value') ? Number(cell.getAttribute('data-value')) : null;
  }
  function sort(column, sign) {
    var order = rows.slice();
    if (sign !== 0) order.sort(function (a, b) {
      var x = key(a, column), y = key(b, column);
      if (x === null || y === null) return (x === null) - (y === null);
      return sign * (typeof x === 'string' ? x.localeCompare(y) : x - y);
    });
    order.forEach(function (row) { body.appendChild(row); });
  }
  heads.forEach(function (head, column) {
    if (rows.every(function (row) { return key(row, column) === null; })) return;
    var button = document.createElement('button');
    button.type = 'button';
    while (head.firstChild) button.appendChild(head.firstChild);
    head.appendChild(button);
    var first = column === 0 ? 1 : -1, turns = 0;
    button.addEventListener('click', function () {
      turns = head.hasAttribute('aria-sort') ? (turns + 1) % 3 : 1;
      heads.forEach(function (other) { other.removeAttribute('aria-sort'); });
      var sign = turns === 0 ? 0 : turns === 1 ? first : -first;
      if (sign !== 0) head.setAttribute('aria-sort', sign > 0 ? 'ascending' : 'descending');
      sort(column, sign);
    });
  });
});
"""

    /// What makes the page's tables sortable; it comes after them.
    let sorting = script [] [ rawText source ]

    let sheet =
        """
table.data { font-size: .92rem; border-collapse: separate; border-spacing: 0; }
table.data th, table.data td { padding: .4rem .5rem; }
table.data thead th { vertical-align: bottom; }
table.data td { white-space: nowrap; }
table.data th:first-child { position: sticky; left: 0; background: var(--page); padding-left: 0; padding-right: .8rem; min-width: 7.5rem; }
table.data small { display: block; font-size: .84em; font-weight: 400; color: var(--soft); }
table.data button {
  font: inherit; font-weight: 600; color: inherit; background: none; border: 0; padding: 0; margin: 0; cursor: pointer;
  text-align: inherit;
}
table.data button:hover { text-decoration: underline; }
table.data button:focus-visible, .wide:focus-visible { outline: 2px solid var(--first); outline-offset: 2px; }
table.data th[aria-sort="ascending"] button span::after { content: "\a0▲"; font-size: .7em; }
table.data th[aria-sort="descending"] button span::after { content: "\a0▼"; font-size: .7em; }
table.data thead th:has(button):not([aria-sort]) button span::after { content: "\a0↕"; font-size: .7em; color: var(--soft); }
@media print {
  .wide { overflow: visible; }
  table.data { font-size: 8pt; } table.data th, table.data td { padding: .2rem .25rem; }
  table.data small { white-space: normal; }
  table.data thead th button span::after { content: none !important; }
  table.data th:first-child { position: static; min-width: 0; }
}
"""
