package demo

import (
	"math/rand/v2"
	"time"

	"lodge/domain"
)

// Hotel is a hotel of the demo.
type Hotel struct {
	ID, Name, Description   string
	Street, City, Country   string
	Latitude, Longitude     float64
	TimeZone, Currency      string
	RoomTypes               []RoomType
	WeekendPercent          int // what Friday and Saturday nights cost, in percent of the others
	Popularity              int // bookings, relative to other hotels
	SummerPercent, Overbook int
}

// RoomType is a room type of the demo.
type RoomType struct {
	ID, Name  string
	Guests    int32
	Rooms     int32
	RateMinor int64
}

// Hotels are the demo's. The lighthouse has so few rooms that turnaways happen.
var Hotels = []Hotel{
	{
		ID: "casa-do-rio", Name: "Casa do Rio", Description: "A town house above the river.", Street: "Rua do Alecrim 12",
		City: "Lisbon", Country: "PT", Latitude: 38.7077, Longitude: -9.1430, TimeZone: "Europe/Lisbon", Currency: "EUR",
		WeekendPercent: 120, SummerPercent: 130, Popularity: 5,
		RoomTypes: []RoomType{
			{"single", "Single room", 1, 8, 89_00}, {"double", "Double room", 2, 24, 129_00},
			{"family", "Family room", 4, 6, 189_00}, {"suite", "River suite", 2, 2, 320_00},
		},
	},
	{
		ID: "faro-lighthouse", Name: "The Lighthouse", Description: "Two rooms and a lamp.", Street: "Ilha da Culatra",
		City: "Faro", Country: "PT", Latitude: 36.9763, Longitude: -7.8646, TimeZone: "Europe/Lisbon", Currency: "EUR",
		WeekendPercent: 140, SummerPercent: 150, Popularity: 2,
		RoomTypes: []RoomType{{"lamp-room", "Room under the lamp", 2, 1, 240_00}, {"keeper", "Keeper's room", 2, 1, 180_00}},
	},
	{
		ID: "harbor-inn", Name: "Harbor Inn", Description: "Brick, brass and the ferry at seven.", Street: "14 Commercial Street",
		City: "Portland", Country: "US", Latitude: 43.6565, Longitude: -70.2489, TimeZone: "America/New_York", Currency: "USD",
		WeekendPercent: 125, SummerPercent: 145, Popularity: 4, Overbook: 1,
		RoomTypes: []RoomType{{"queen", "Queen room", 2, 18, 159_00}, {"king", "King room", 2, 10, 189_00}, {"loft", "Loft", 4, 3, 289_00}},
	},
	{
		ID: "kiyomizu-ryokan", Name: "Kiyomizu Ryokan", Description: "Tatami, cedar baths, breakfast at eight.", Street: "Kiyomizu 1-chome",
		City: "Kyoto", Country: "JP", Latitude: 34.9949, Longitude: 135.7850, TimeZone: "Asia/Tokyo", Currency: "JPY",
		WeekendPercent: 130, SummerPercent: 105, Popularity: 3,
		RoomTypes: []RoomType{{"tatami", "Tatami room", 3, 12, 28_000}, {"garden", "Garden room", 2, 4, 46_000}},
	},
	{
		ID: "mitte-46", Name: "Mitte 46", Description: "Rooms over a courtyard.", Street: "Linienstraße 46",
		City: "Berlin", Country: "DE", Latitude: 52.5286, Longitude: 13.4027, TimeZone: "Europe/Berlin", Currency: "EUR",
		WeekendPercent: 110, SummerPercent: 115, Popularity: 5, Overbook: 2,
		RoomTypes: []RoomType{{"compact", "Compact room", 1, 20, 75_00}, {"double", "Double room", 2, 30, 105_00}, {"apartment", "Apartment", 4, 5, 175_00}},
	},
	{
		ID: "porto-lapa", Name: "Lapa", Description: "Tiles, port wine, a steep street.", Street: "Rua da Lapa 7",
		City: "Lisbon", Country: "PT", Latitude: 38.7090, Longitude: -9.1610, TimeZone: "Europe/Lisbon", Currency: "EUR",
		WeekendPercent: 115, SummerPercent: 135, Popularity: 3,
		RoomTypes: []RoomType{{"double", "Double room", 2, 14, 99_00}, {"attic", "Attic room", 2, 3, 135_00}},
	},
}

// How far the demo's world reaches from today.
const (
	pastDays   = 28  // bookings were made since
	futureDays = 365 // nights are on sale until
	bookings   = 700
)

// World is what is to be seeded: everything that is random or depends on the day, decided.
type World struct {
	Seed  uint64
	Now   time.Time
	Today domain.Date // the day that ids are derived from
	rng   *rand.Rand
}

// NewWorld returns the world of a seed as of now.
func NewWorld(seed uint64, now time.Time) *World {
	return &World{Seed: seed, Now: now, Today: domain.Today(now, time.UTC), rng: rand.New(rand.NewPCG(seed, uint64(domain.Today(now, time.UTC))))}
}

var (
	firstNames = []string{"Ana", "Bruno", "Chiyo", "David", "Emeka", "Fatima", "Greta", "Hugo", "Ines", "Jonas", "Kenji", "Lena",
		"Maria", "Noor", "Olga", "Paulo", "Quentin", "Rosa", "Sven", "Tomas", "Uma", "Vera", "Wei", "Yara", "Zoe"}
	lastNames = []string{"Almeida", "Baker", "Costa", "Diaz", "Eriksen", "Ferreira", "Gomes", "Hoffmann", "Ito", "Jansen", "Kim",
		"Lopes", "Martins", "Novak", "Okafor", "Pereira", "Rossi", "Silva", "Tanaka", "Weber"}
	channels = []string{"web", "web", "web", "phone", "agency", "walk-in"}
)
